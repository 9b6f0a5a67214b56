//! Names of months and weekdays, by the language of a format's locale.

/// Months, weekdays from Sunday, and how many characters of each are its short form.
struct Names {
    months: [&'static str; 12],
    weekdays: [&'static str; 7],
    short_weekday: usize,
}

const ENGLISH: Names = Names {
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    weekdays: ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"],
    short_weekday: 3,
};

const GERMAN: Names = Names {
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    weekdays: ["Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"],
    short_weekday: 2,
};

const FRENCH: Names = Names {
    months: [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
    weekdays: ["dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"],
    short_weekday: 3,
};

const SPANISH: Names = Names {
    months: [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
    weekdays: ["domingo", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado"],
    short_weekday: 3,
};

const CHINESE: Names = Names {
    months: ["一月", "二月", "三月", "四月", "五月", "六月", "七月", "八月", "九月", "十月", "十一月", "十二月"],
    weekdays: ["星期日", "星期一", "星期二", "星期三", "星期四", "星期五", "星期六"],
    short_weekday: 3,
};

const JAPANESE: Names = Names {
    months: ["1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月"],
    weekdays: ["日曜日", "月曜日", "火曜日", "水曜日", "木曜日", "金曜日", "土曜日"],
    short_weekday: 1,
};

/// By the primary language of a Windows language identifier (MS-LCID, section 2.2).
fn names(locale: u32) -> &'static Names {
    match locale & 0x3FF {
        0x04 => &CHINESE,
        0x07 => &GERMAN,
        0x0A => &SPANISH,
        0x0C => &FRENCH,
        0x11 => &JAPANESE,
        _ => &ENGLISH,
    }
}

/// `m`, `mm`, `mmm`, `mmmm`, `mmmmm`: number, two digits, short name, name, first letter.
pub(super) fn month(month: i64, count: usize, locale: u32) -> String {
    let name = usize::try_from(month - 1).ok().and_then(|at| names(locale).months.get(at)).copied().unwrap_or_default();
    match count {
        ..=1 => month.to_string(),
        2 => format!("{month:02}"),
        3 => short_month(name, locale),
        5 => name.chars().take(1).collect(),
        _ => name.to_owned(),
    }
}

/// Names of five letters and less, and those in CJK characters, are not cut in every language.
fn short_month(name: &str, locale: u32) -> String {
    match locale & 0x3FF {
        0x04 | 0x11 => name.to_owned(),
        0x0C => match name {
            "janvier" => "janv".to_owned(),
            "février" => "févr".to_owned(),
            "avril" => "avr".to_owned(),
            "juillet" => "juil".to_owned(),
            "septembre" => "sept".to_owned(),
            name if name.chars().count() <= 4 => name.to_owned(),
            name => name.chars().take(3).collect(),
        },
        _ => name.chars().take(3).collect(),
    }
}

/// `ddd` and `aaa`: short; longer: the name.
pub(super) fn weekday(weekday: i64, count: usize, locale: u32) -> &'static str {
    let names = names(locale);
    let name = usize::try_from(weekday).ok().and_then(|at| names.weekdays.get(at)).copied().unwrap_or_default();
    if count != 3 {
        return name;
    }
    name.char_indices().nth(names.short_weekday).and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}
