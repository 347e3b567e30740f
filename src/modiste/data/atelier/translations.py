"""The atelier's words in English, Russian and Chinese: one garment, described by the same attributes, in three languages.

Written for this project. Russian adjectives agree with their noun in gender and number ("красное платье", "красные брюки") and
stand before it, what cannot be declined stands behind it ("платье миди в горошек"); in Chinese everything stands before the
noun and nothing is inflected ("女士红色波点棉质连衣裙").

Of a value's phrases the first is the usual one and the others are other wordings. `sentence` takes attributes by the names that
`wording.describe_constraints` uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from modiste.data.atelier.palette import COLOUR_WORDS
from modiste.data.atelier.wording import ARTICLE_WORDS, HEEL_WORDS, NECK_WORDS, PATTERN_WORDS

Language = Literal["en", "ru", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "ru", "zh")
ATTRIBUTES = ("gender", "colour", "material", "category", "length", "pattern", "sleeve_length", "neckline", "heel")
Choose = Callable[[str, str, int], int]
"""(attribute, value, how many phrases there are) -> which one."""

_GENDERS = {"m": 0, "f": 1, "n": 2, "p": 3}
_VELAR = ("кий", "гий", "хий")


def _table(text: str) -> Mapping[str, tuple[str, ...]]:
    """Lines of `value: phrase / another` as a table."""
    rows = (line.partition(":") for line in text.strip().splitlines())
    return MappingProxyType({key.strip(): tuple(one.strip() for one in said.split("/")) for key, _, said in rows})


# Russian nouns carry their gender: m, f, n, or p for those that are always plural.
_RU_ARTICLES = _table("""
    t-shirt: футболка f / тишотка f
    shirt: рубашка f / сорочка f
    blouse: блузка f / блуза f
    sweater: свитер m / джемпер m / пуловер m
    cardigan: кардиган m / кофта f
    hoodie: худи n / толстовка с капюшоном f
    tank top: майка f / топ без рукавов m
    polo shirt: поло n / рубашка-поло f
    jeans: джинсы p
    trousers: брюки p / штаны p
    skirt: юбка f
    pleated skirt: плиссированная юбка f / юбка в складку f
    shorts: шорты p
    leggings: леггинсы p / лосины p
    joggers: джоггеры p / спортивные брюки p
    dress: платье n
    shirt dress: платье-рубашка n
    evening gown: вечернее платье n / бальное платье n
    jumpsuit: комбинезон m
    blazer: пиджак m / блейзер m / жакет m
    coat: пальто n
    trench coat: тренч m / плащ m
    denim jacket: джинсовая куртка f / джинсовка f
    leather jacket: кожаная куртка f / косуха f
    puffer jacket: пуховик m / стёганая куртка f
    parka: парка f
    sneakers: кроссовки p / кеды p
    ankle boots: ботильоны p / полусапожки p
    knee boots: сапоги p / высокие сапоги p
    pumps: туфли-лодочки p / туфли на каблуке p
    loafers: лоферы p / мокасины p
    sandals: сандалии p / босоножки p
    ballet flats: балетки p
    tote bag: сумка-тоут f / сумка-шоппер f
    handbag: сумка f / дамская сумочка f
    clutch: клатч m / вечерняя сумочка f
    backpack: рюкзак m
    crossbody bag: сумка через плечо f / сумка кросс-боди f
    cap: кепка f / бейсболка f
    beanie: вязаная шапка f / шапочка бини f
    sun hat: шляпа от солнца f / широкополая шляпа f
    fedora: федора f / фетровая шляпа f
    belt: ремень m / пояс m
    scarf: шарф m
    sunglasses: солнцезащитные очки p / тёмные очки p
    watch: наручные часы p / часы p
    tie: галстук m
    gloves: перчатки p
    necklace: ожерелье n / колье n
    earrings: серьги p / серёжки p
    bracelet: браслет m
    ring: кольцо n / перстень m
""")
_ZH_ARTICLES = _table("""
    t-shirt: T恤 / T恤衫
    shirt: 衬衫 / 衬衣
    blouse: 女衬衫 / 罩衫
    sweater: 毛衣 / 针织衫
    cardigan: 开衫 / 针织开衫
    hoodie: 连帽衫 / 卫衣
    tank top: 背心 / 无袖上衣
    polo shirt: Polo衫 / 马球衫
    jeans: 牛仔裤
    trousers: 长裤 / 裤子
    skirt: 半身裙 / 半裙
    pleated skirt: 百褶裙 / 褶裥裙
    shorts: 短裤
    leggings: 打底裤 / 紧身裤
    joggers: 慢跑裤 / 束脚裤
    dress: 连衣裙 / 连身裙
    shirt dress: 衬衫裙 / 衬衫式连衣裙
    evening gown: 晚礼服 / 晚装
    jumpsuit: 连体裤 / 连身裤
    blazer: 西装外套 / 西装上衣
    coat: 大衣 / 外套
    trench coat: 风衣
    denim jacket: 牛仔外套 / 牛仔夹克
    leather jacket: 皮夹克 / 皮衣
    puffer jacket: 羽绒服 / 棉服
    parka: 派克大衣 / 派克服
    sneakers: 运动鞋 / 球鞋
    ankle boots: 短靴 / 踝靴
    knee boots: 长靴 / 及膝靴
    pumps: 高跟鞋 / 浅口鞋
    loafers: 乐福鞋
    sandals: 凉鞋
    ballet flats: 芭蕾平底鞋 / 芭蕾鞋
    tote bag: 托特包 / 购物包
    handbag: 手提包 / 手袋
    clutch: 手拿包 / 晚宴包
    backpack: 双肩包 / 背包
    crossbody bag: 斜挎包 / 单肩包
    cap: 鸭舌帽 / 棒球帽
    beanie: 针织帽 / 毛线帽
    sun hat: 遮阳帽 / 宽檐帽
    fedora: 费多拉帽 / 礼帽
    belt: 腰带 / 皮带
    scarf: 围巾
    sunglasses: 太阳镜 / 墨镜
    watch: 手表 / 腕表
    tie: 领带
    gloves: 手套
    necklace: 项链 / 颈链
    earrings: 耳环 / 耳饰
    bracelet: 手链 / 手镯
    ring: 戒指 / 指环
""")
_RU_COLOURS = _table("""
    black: чёрный / угольно-чёрный
    white: белый / белоснежный
    grey: серый / пепельно-серый
    navy: тёмно-синий / полуночно-синий
    blue: синий / ярко-синий
    light blue: голубой / небесно-голубой
    turquoise: бирюзовый / сине-зелёный
    green: зелёный / изумрудный
    mint: мятный / светло-зелёный
    olive: оливковый / болотный
    yellow: жёлтый / лимонный
    mustard: горчичный / охристый
    orange: оранжевый / мандариновый
    coral: коралловый / лососевый
    red: красный / алый
    burgundy: бордовый / винный
    pink: розовый / нежно-розовый
    purple: фиолетовый / пурпурный
    lilac: сиреневый / лавандовый
    brown: коричневый / шоколадный
    tan: светло-коричневый / карамельный
    beige: бежевый / песочный
    cream: кремовый / молочный
    gold: золотой / золотистый
    silver: серебряный / серебристый
    rose gold: розово-золотой / розово-золотистый
""")
_ZH_COLOURS = _table("""
    black: 黑色 / 乌黑色
    white: 白色 / 纯白色
    grey: 灰色 / 烟灰色
    navy: 藏青色 / 深蓝色
    blue: 蓝色 / 宝蓝色
    light blue: 浅蓝色 / 天蓝色
    turquoise: 绿松石色 / 青绿色
    green: 绿色 / 翠绿色
    mint: 薄荷绿 / 浅绿色
    olive: 橄榄绿 / 军绿色
    yellow: 黄色 / 柠檬黄
    mustard: 芥末黄 / 姜黄色
    orange: 橙色 / 橘色
    coral: 珊瑚色 / 三文鱼粉
    red: 红色 / 大红色
    burgundy: 酒红色 / 勃艮第红
    pink: 粉色 / 粉红色
    purple: 紫色 / 深紫色
    lilac: 淡紫色 / 薰衣草紫
    brown: 棕色 / 咖啡色
    tan: 驼色 / 焦糖色
    beige: 米色 / 沙色
    cream: 奶油色 / 米白色
    gold: 金色 / 金黄色
    silver: 银色 / 亮银色
    rose gold: 玫瑰金 / 玫瑰金色
""")
# What is an adjective agrees and stands before the noun; what begins with a preposition stands behind it.
_RU_MATERIALS = _table("""
    cotton: хлопковый / из хлопка
    linen: льняной / из льна
    denim: джинсовый / из денима
    silk: шёлковый / из шёлка
    satin: атласный / из атласа
    wool: шерстяной / из шерсти
    knit: трикотажный / вязаный
    cashmere: кашемировый / из кашемира
    corduroy: вельветовый / из вельвета
    leather: кожаный / из кожи
    suede: замшевый / из замши
    polyester: из полиэстера / полиэстеровый
    nylon: нейлоновый / из нейлона
    canvas: холщовый / из парусины
    patent leather: лакированный / из лакированной кожи
    straw: соломенный / из соломы
    acetate: из ацетата / ацетатный
    metal: металлический / из металла
""")
_ZH_MATERIALS = _table("""
    cotton: 棉质 / 纯棉
    linen: 亚麻 / 麻质
    denim: 牛仔 / 牛仔布
    silk: 真丝 / 丝绸
    satin: 缎面 / 绸缎
    wool: 羊毛 / 毛呢
    knit: 针织 / 编织
    cashmere: 羊绒 / 开司米
    corduroy: 灯芯绒 / 条绒
    leather: 皮革 / 真皮
    suede: 麂皮 / 绒面革
    polyester: 涤纶 / 聚酯纤维
    nylon: 尼龙 / 锦纶
    canvas: 帆布
    patent leather: 漆皮 / 亮面皮
    straw: 草编 / 稻草
    acetate: 醋酸 / 醋酸纤维
    metal: 金属
""")
_RU_PATTERNS = _table("""
    solid: однотонный / без рисунка
    stripes: в полоску / полосатый
    pinstripes: в тонкую полоску / в узкую полоску
    polka dots: в горошек / с узором в горох
    checks: в клетку / клетчатый
    floral: с цветочным принтом / в цветочек
    animal print: с леопардовым принтом / леопардовый
    houndstooth: в гусиную лапку / с узором «гусиная лапка»
    herringbone: в ёлочку / с узором «ёлочка»
    colour block: двухцветный / в стиле колор-блок
""")
_ZH_PATTERNS = _table("""
    solid: 纯色 / 素色
    stripes: 条纹 / 横条
    pinstripes: 细条纹 / 细直条
    polka dots: 波点 / 圆点
    checks: 格子 / 格纹
    floral: 碎花 / 花卉印花
    animal print: 豹纹 / 动物纹
    houndstooth: 千鸟格 / 犬牙纹
    herringbone: 人字纹 / 鱼骨纹
    colour block: 拼色 / 撞色
""")
_RU_LENGTHS = _table("""
    mini: мини / очень короткий
    knee: до колена / длиной до колен
    midi: миди / средней длины
    maxi: макси / в пол
    cropped: укороченный / короткий
    long: длинный / удлинённый
    bermuda: бермуды / длины бермуд
""")
_ZH_LENGTHS = _table("""
    mini: 迷你 / 超短款
    knee: 及膝 / 齐膝
    midi: 中长款 / 中长
    maxi: 拖地 / 长至脚踝
    cropped: 短款 / 截短
    long: 长款 / 加长
    bermuda: 百慕大 / 五分
""")
_RU_SLEEVES = _table("""
    short: с короткими рукавами / с коротким рукавом
    long: с длинными рукавами / с длинным рукавом
    three-quarter: с рукавами три четверти / с рукавом три четверти
    sleeveless: без рукавов
""")
_ZH_SLEEVES = _table("""
    short: 短袖
    long: 长袖
    three-quarter: 七分袖 / 中袖
    sleeveless: 无袖
""")
_RU_NECKS = _table("""
    crew: с круглым вырезом / с круглой горловиной
    v-neck: с V-образным вырезом / с треугольным вырезом
    scoop: с глубоким круглым вырезом
    boat: с вырезом лодочкой
    square: с квадратным вырезом
    turtleneck: с высоким воротом / с воротником-гольф
    hood: с капюшоном
    halter: с лямкой через шею
    one-shoulder: на одно плечо
    sweetheart: с вырезом сердечком
    stand collar: с воротником-стойкой
""")
_ZH_NECKS = _table("""
    crew: 圆领 / 小圆领
    v-neck: V领 / 鸡心领
    scoop: 大圆领
    boat: 一字领 / 船领
    square: 方领
    turtleneck: 高领
    hood: 带帽
    halter: 挂脖
    one-shoulder: 单肩
    sweetheart: 心形领
    stand collar: 立领
""")
_RU_HEELS = _table("""
    flat: на плоской подошве / без каблука
    block: на устойчивом каблуке / на широком каблуке
    stiletto: на шпильке / на тонком каблуке
    kitten: на низком каблуке / на маленьком каблуке
    wedge: на танкетке
""")
_ZH_HEELS = _table("""
    flat: 平底 / 平跟
    block: 粗跟 / 方跟
    stiletto: 细跟 / 细高跟
    kitten: 猫跟 / 小跟
    wedge: 坡跟
""")
_RU_GENDERS, _ZH_GENDERS = _table("women: женский\nmen: мужской"), _table("women: 女士 / 女式\nmen: 男士 / 男式")

PHRASES: Mapping[Language, Mapping[str, Mapping[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "en": {
            "gender": {"women": ("women's",), "men": ("men's",)},
            "colour": COLOUR_WORDS,
            "material": {"wool": ("wool", "woollen"), "knit": ("knit", "knitted")},
            "category": ARTICLE_WORDS,
            "length": {"knee": ("knee-length",)},
            "pattern": {value: front + back for value, (front, back) in PATTERN_WORDS.items()},
            "sleeve_length": {value: (f"with {value} sleeves",) for value in ("short", "long", "three-quarter")}
            | {"sleeveless": ("with no sleeves", "sleeveless")},
            "neckline": {value: (f"with {words}",) for value, words in NECK_WORDS.items()},
            "heel": {value: (f"with {words}",) for value, words in HEEL_WORDS.items()},
        },
        "ru": dict(zip(ATTRIBUTES, (
            _RU_GENDERS, _RU_COLOURS, _RU_MATERIALS, _RU_ARTICLES, _RU_LENGTHS, _RU_PATTERNS, _RU_SLEEVES, _RU_NECKS, _RU_HEELS,
        ), strict=True)),
        "zh": dict(zip(ATTRIBUTES, (
            _ZH_GENDERS, _ZH_COLOURS, _ZH_MATERIALS, _ZH_ARTICLES, _ZH_LENGTHS, _ZH_PATTERNS, _ZH_SLEEVES, _ZH_NECKS, _ZH_HEELS,
        ), strict=True)),
    }
)  # fmt: skip


def usual(attribute: str, value: str, count: int) -> int:
    """The first wording of everything."""
    return 0


def speakable(attribute: str, value: str) -> bool:
    """Whether an attribute's value has words in every language."""
    return attribute in ATTRIBUTES and all(value in PHRASES[language][attribute] for language in ("ru", "zh"))


def phrases_of(language: Language, attribute: str, value: str) -> tuple[str, ...]:
    """All wordings of a value; in English a value without a row of its own says itself."""
    of_language = PHRASES[language][attribute]
    return of_language.get(value, (value,)) if language == "en" else of_language[value]


def sentence(attributes: Mapping[str, str], language: Language, choose: Choose = usual) -> str:
    """What a shopper types who wants an item with these attributes, as speakers of the language write it.

    Without a category it is an "item" ("вещь", "单品"). Raises `KeyError` for an attribute or value without words.
    """
    said: dict[str, str] = {}
    for attribute in ATTRIBUTES:
        if attribute in attributes:
            value = attributes[attribute]
            options = phrases_of(language, attribute, value)
            said[attribute] = options[choose(attribute, value, len(options))]
    if unknown := attributes.keys() - set(ATTRIBUTES):
        raise KeyError(f"no words for {', '.join(sorted(unknown))}")
    return {"en": _english, "ru": _russian, "zh": _chinese}[language](said)


def _english(said: Mapping[str, str]) -> str:
    before = [said[name] for name in ("gender", "colour", "length") if name in said]
    after: list[str] = []
    for name in ("pattern", "material", "sleeve_length", "neckline", "heel"):
        if name in said:
            (after if said[name].startswith(("with ", "in ")) else before).append(said[name])
    return " ".join([*before, said.get("category", "item"), *_joined(after, "with", "and")])


def _russian(said: Mapping[str, str]) -> str:
    noun, _, kind = said.get("category", "вещь f").rpartition(" ")
    before: list[str] = []
    after: list[str] = []
    for name in ("gender", "length", "colour", "pattern", "material", "sleeve_length", "neckline", "heel"):
        if name not in said:
            continue
        if said[name].endswith(("ый", "ий", "ой")) and " " not in said[name].removeprefix("очень "):
            before.append(agreeing(said[name], kind))
        else:
            after.append(said[name])
    after.sort(key=lambda one: one.startswith("с "))  # "миди в горошек с длинными рукавами"
    return " ".join([*before, noun, *_joined(after, "с", "и")])


def _joined(phrases: list[str], preposition: str, conjunction: str) -> list[str]:
    """ "with long sleeves", "with a V-neck" as "with long sleeves and a V-neck"."""
    return [
        f"{conjunction}{one.removeprefix(preposition)}"
        if at and one.startswith(f"{preposition} ") and phrases[at - 1].startswith(f"{preposition} ")
        else one
        for at, one in enumerate(phrases)
    ]


def _chinese(said: Mapping[str, str]) -> str:
    order = ("gender", "length", "colour", "pattern", "material", "sleeve_length", "neckline", "heel", "category")
    return "".join(said[name] for name in order if name in said) + ("" if "category" in said else "单品")


def agreeing(adjective: str, kind: str) -> str:
    """A Russian adjective, given masculine, as it goes with a noun of gender m, f, n, or p (plural).

    "красный" -> красная, красное, красные; "синий" -> синяя, синее, синие; "голубой" -> голубая...; "короткий" -> короткая,
    короткое, короткие.
    """
    stem, place = adjective[:-2], _GENDERS[kind]
    if adjective.endswith(_VELAR):
        return adjective if place == 0 else stem + ("", "ая", "ое", "ие")[place]
    if adjective.endswith("ий"):
        return adjective if place == 0 else stem + ("", "яя", "ее", "ие")[place]
    plural = "ие" if adjective.endswith("ой") and stem.endswith(("к", "г", "х")) else "ые"  # "мужской": мужские
    return adjective if place == 0 else stem + ("", "ая", "ое", plural)[place]
