//! The words that decide whether a full stop ends a sentence, in English, German, Spanish and French.
//!
//! Abbreviations are in lower case and without their last full stop. The lists hold what common documents use; a missing
//! abbreviation costs a boundary too many, which no chunk suffers from as long as its pieces stay together.

/// What a full stop behind an abbreviation means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abbreviation {
    /// Something always follows: a title, `e.g`, `vgl`.
    Inside,
    /// A number follows; before anything else it is a word like others.
    BeforeNumber,
    /// May stand at the end of a sentence: `etc`.
    AtEnd,
    /// Part of a name, `Inc`, `Jr`: ends a sentence only before a word that begins one.
    InName,
}

/// The words of one language, or of all.
pub(super) struct Words {
    lists: Vec<&'static Lists>,
    /// A number with a full stop is an ordinal.
    pub(super) has_ordinals: bool,
    /// A capital does not show a beginning, as far as one knows.
    pub(super) nouns_have_capitals: bool,
}

struct Lists {
    language: &'static str,
    inside: &'static [&'static str],
    before_number: &'static [&'static str],
    at_end: &'static [&'static str],
    in_name: &'static [&'static str],
    /// Words that begin sentences and hardly ever a name, with their capital.
    starters: &'static [&'static str],
}

/// Languages that write `3.` for "third".
const ORDINAL_LANGUAGES: &[&str] =
    &["de", "da", "nb", "nn", "no", "fi", "cs", "sk", "sl", "hr", "sr", "bs", "pl", "hu", "et", "lv", "lt", "tr", "is"];

impl Words {
    pub(super) fn of(language: Option<&str>) -> Self {
        let own: Vec<&Lists> =
            LISTS.iter().filter(|lists| language.is_none_or(|code| code == lists.language)).collect();
        let lists = if own.is_empty() { LISTS.iter().collect() } else { own };
        let has_ordinals = language.is_some_and(|code| ORDINAL_LANGUAGES.contains(&code));
        Self { lists, has_ordinals, nouns_have_capitals: language.is_none_or(|code| code == "de") }
    }

    /// What `word`, without its last full stop, abbreviates.
    pub(super) fn abbreviation(&self, word: &str) -> Option<Abbreviation> {
        let lower = word.to_lowercase();
        let is_in = |list: fn(&Lists) -> &[&'static str]| self.lists.iter().any(|lists| list(lists).contains(&&*lower));
        let titled = word.starts_with(char::is_uppercase);
        if is_in(|lists| lists.inside) || titled && TITLES.contains(&&*lower) {
            return Some(Abbreviation::Inside);
        }
        if is_in(|lists| lists.before_number) {
            return Some(Abbreviation::BeforeNumber);
        }
        if is_in(|lists| lists.at_end) {
            return Some(Abbreviation::AtEnd);
        }
        let street = self.nouns_have_capitals && lower.ends_with(STREET);
        (street || is_in(|lists| lists.in_name)).then_some(Abbreviation::InName)
    }

    pub(super) fn begins_sentence(&self, word: &str) -> bool {
        self.lists.iter().any(|lists| lists.starters.contains(&word))
    }
}

/// Before a name, with a capital, in whatever language.
const TITLES: &[&str] = &[
    "dr", "mr", "mrs", "ms", "messrs", "prof", "profa", "st", "ste", "gen", "col", "lt", "capt", "cmdr", "sgt", "maj",
    "gov", "sen", "rep", "rev", "hon", "msgr", "mgr", "pr", "mm", "mme", "mlle", "sr", "sra", "srta", "sres", "sto",
    "sta", "hr", "hrn", "fr", "frl", "ing", "dipl", "lic", "dra", "dña", "ud", "uds", "vd", "vds", "mt", "ft", "phd",
];

/// German streets are one word with their name.
const STREET: &str = "str";

const LISTS: &[Lists] = &[
    Lists {
        language: "en",
        inside: &["e.g", "i.e", "eg", "ie", "cf", "vs", "viz", "resp", "approx", "ca", "incl", "excl", "dept", "univ"],
        before_number: &[
            "no", "nos", "nr", "p", "pp", "vol", "vols", "ch", "chap", "sec", "sect", "art", "fig", "figs", "eq",
            "eqs", "ref", "refs", "tab", "app", "ver", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept",
            "oct", "nov", "dec", "ext", "tel", "est", "min", "max",
        ],
        at_end: &["etc", "al", "yrs", "ed", "eds"],
        in_name: &[
            "a.m", "p.m", "inc", "ltd", "co", "corp", "llc", "bros", "jr", "sr", "esq", "ave", "blvd", "rd", "plc",
            "assn",
        ],
        starters: &[
            "A", "After", "All", "Also", "Although", "An", "And", "Another", "As", "At", "Because", "Before", "Both",
            "But", "By", "Despite", "During", "Each", "Even", "Every", "First", "For", "From", "Further", "He", "Her",
            "Here", "His", "How", "However", "I", "If", "In", "Instead", "It", "Its", "Many", "Most", "My", "No",
            "Not", "Now", "Of", "On", "One", "Only", "Or", "Other", "Our", "Over", "She", "Since", "So", "Some",
            "Such", "That", "The", "Their", "Then", "There", "These", "They", "This", "Those", "Though", "Through",
            "Thus", "To", "Today", "Two", "Under", "Unlike", "Until", "Upon", "We", "What", "When", "Where", "Whether",
            "Which", "While", "Who", "Why", "With", "Within", "Without", "Yet", "You", "Your",
        ],
    },
    Lists {
        language: "de",
        inside: &[
            "z.b", "d.h", "u.a", "u.ä", "i.d.r", "o.ä", "s.o", "s.u", "v.a", "z.t", "i.e", "e.g", "bzw", "ca", "vgl",
            "ggf", "evtl", "inkl", "exkl", "sog", "bspw", "zzgl", "abzgl", "einschl", "ausschl", "gem", "insb",
            "insbes", "max", "min", "mind", "mio", "mrd", "geb", "gest", "verh", "gegr", "röm", "griech", "lat",
            "engl", "frz", "dt", "ehem", "allg", "bes", "entspr", "hrsg", "jhd", "urspr", "usf", "lt", "zit", "cf",
            "vs", "resp", "chr", "bez", "od", "med", "jur", "phil", "rer", "nat", "habil", "h.c",
        ],
        before_number: &[
            "nr", "nrn", "s", "abs", "art", "abb", "tab", "kap", "bd", "bde", "aufl", "fig", "gl", "anm", "anh",
            "ziff", "rn", "rdnr", "lit", "jan", "feb", "mär", "apr", "jun", "jul", "aug", "sep", "sept", "okt", "nov",
            "dez", "tel", "jg",
        ],
        at_end: &["usw", "etc", "al", "jh", "jhs", "n.chr", "v.chr", "ff", "f"],
        in_name: &["co", "inc", "ltd", "corp", "jr", "jun", "sen", "e.v", "kg"],
        starters: &[
            "Aber",
            "Alle",
            "Allerdings",
            "Als",
            "Am",
            "An",
            "Auch",
            "Auf",
            "Aus",
            "Außerdem",
            "Bei",
            "Beim",
            "Bereits",
            "Bis",
            "Da",
            "Dabei",
            "Dadurch",
            "Daher",
            "Damit",
            "Danach",
            "Dann",
            "Das",
            "Dass",
            "Dazu",
            "Dem",
            "Den",
            "Denn",
            "Der",
            "Des",
            "Dennoch",
            "Deshalb",
            "Die",
            "Dies",
            "Diese",
            "Diesem",
            "Diesen",
            "Dieser",
            "Dieses",
            "Doch",
            "Dort",
            "Du",
            "Durch",
            "Ein",
            "Eine",
            "Einem",
            "Einen",
            "Einer",
            "Einige",
            "Er",
            "Erst",
            "Es",
            "Für",
            "Gegen",
            "Hier",
            "Ich",
            "Ihr",
            "Ihre",
            "Im",
            "In",
            "Insgesamt",
            "Ist",
            "Jede",
            "Jeder",
            "Jedoch",
            "Kein",
            "Keine",
            "Man",
            "Mit",
            "Nach",
            "Nachdem",
            "Neben",
            "Nicht",
            "Nun",
            "Nur",
            "Ob",
            "Obwohl",
            "Oder",
            "Ohne",
            "Schon",
            "Sein",
            "Seine",
            "Seit",
            "Sie",
            "Sind",
            "So",
            "Später",
            "Über",
            "Um",
            "Und",
            "Unser",
            "Unter",
            "Viele",
            "Vom",
            "Von",
            "Vor",
            "Während",
            "Was",
            "Wegen",
            "Weil",
            "Wenn",
            "Wer",
            "Wie",
            "Wir",
            "Wird",
            "Wo",
            "Wurde",
            "Zu",
            "Zudem",
            "Zum",
            "Zur",
            "Zwischen",
        ],
    },
    Lists {
        language: "es",
        inside: &[
            "p.ej", "ej", "aprox", "ca", "cf", "vs", "i.e", "e.g", "incl", "excl", "depto", "dpto", "admón", "avda",
            "av", "atte", "fdo", "gral", "cnel", "tte", "pbro", "excmo", "excma", "ilmo", "ilma", "vid", "ee", "ss",
            "aa", "rr",
        ],
        before_number: &[
            "núm", "num", "nro", "no", "n", "pág", "págs", "pag", "pags", "p", "pp", "art", "arts", "cap", "caps",
            "vol", "vols", "fig", "figs", "sec", "ed", "tel", "tfno", "ene", "feb", "mar", "abr", "may", "jun", "jul",
            "ago", "sept", "oct", "nov", "dic", "v", "ver", "tít", "apdo",
        ],
        at_end: &["etc", "al", "a.c", "d.c", "hab"],
        in_name: &["a.m", "p.m", "uu", "cía", "cia", "s.a", "s.l", "inc", "ltd", "co", "corp", "jr", "hnos", "bros"],
        starters: &[
            "A", "Además", "Al", "Algunos", "Ante", "Antes", "Así", "Aunque", "Bajo", "Cada", "Como", "Con", "Cuando",
            "De", "Debido", "Del", "Desde", "Después", "Durante", "El", "Ella", "Ellos", "En", "Entonces", "Entre",
            "Era", "Es", "Esa", "Ese", "Eso", "Esta", "Estas", "Este", "Esto", "Estos", "Existen", "Fue", "Ha",
            "Hasta", "Hay", "La", "Las", "Le", "Lo", "Los", "Mientras", "Muchos", "Más", "Ni", "No", "Nos", "O",
            "Otro", "Otros", "Para", "Pero", "Por", "Porque", "Que", "Se", "Según", "Si", "Sin", "Sobre", "Son", "Su",
            "Sus", "También", "Tras", "Todo", "Todos", "Un", "Una", "Unos", "Y", "Ya", "Él",
        ],
    },
    Lists {
        language: "fr",
        inside: &[
            "p.ex", "ex", "c.-à-d", "cf", "env", "vs", "i.e", "e.g", "chap", "dép", "dir", "éd", "av", "apr", "boul",
            "bd", "incl", "max", "min", "resp", "suiv", "trad",
        ],
        before_number: &[
            "no", "nos", "n", "p", "pp", "art", "al", "vol", "fig", "tab", "ch", "sect", "t", "v", "ver", "tél",
            "janv", "févr", "avr", "juil", "sept", "oct", "nov", "déc", "réf", "env",
        ],
        at_end: &["etc", "al", "hab", "j.-c"],
        in_name: &["cie", "s.a", "s.a.r.l", "inc", "ltd", "co", "corp", "jr"],
        starters: &[
            "Ainsi",
            "Alors",
            "Après",
            "Au",
            "Aucun",
            "Aussi",
            "Aux",
            "Avant",
            "Avec",
            "C",
            "Car",
            "Ce",
            "Cela",
            "Ces",
            "Cet",
            "Cette",
            "Ceux",
            "Chaque",
            "Comme",
            "Contre",
            "D",
            "Dans",
            "De",
            "Depuis",
            "Des",
            "Dès",
            "Donc",
            "Du",
            "Elle",
            "Elles",
            "En",
            "Enfin",
            "Ensuite",
            "Entre",
            "Et",
            "Il",
            "Ils",
            "J",
            "Je",
            "L",
            "La",
            "Le",
            "Les",
            "Leur",
            "Leurs",
            "Lorsque",
            "Lors",
            "Mais",
            "Malgré",
            "N",
            "Ne",
            "Nous",
            "On",
            "Or",
            "Ou",
            "Où",
            "Par",
            "Parmi",
            "Pendant",
            "Plusieurs",
            "Plus",
            "Pour",
            "Puis",
            "Quand",
            "Que",
            "Qu",
            "Qui",
            "S",
            "Sa",
            "Sans",
            "Selon",
            "Ses",
            "Si",
            "Son",
            "Sous",
            "Sur",
            "Tous",
            "Tout",
            "Toutes",
            "Très",
            "Un",
            "Une",
            "Vers",
            "Vous",
            "Y",
            "À",
            "Était",
        ],
    },
];
