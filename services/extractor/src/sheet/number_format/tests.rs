use proptest::prelude::*;

use super::*;

fn shown(code: &str, value: f64) -> String {
    NumberFormat::parse(code).number(value, Epoch::Y1900)
}

#[test]
fn numbers_as_displayed() {
    for (code, value, expected) in [
        ("0", 2.5, "3"),
        ("0.00", 2.675, "2.68"),
        ("0.00", -0.001, "0.00"),
        ("000.00", 12.3, "012.30"),
        ("#.##", 12.3, "12.3"),
        ("#.##", 0.5, ".5"),
        ("#,##0.00", -1_234_567.891, "-1,234,567.89"),
        ("#,##0,", 1_234_567.0, "1,235"),
        ("0.0,,\" M\"", 1_234_567.0, "1.2 M"),
        ("0.00%", 0.0123, "1.23%"),
        ("$#,##0;[Red]($#,##0)", -1234.0, "($1,234)"),
        ("[$€-407] #,##0.00", 5.0, "€ 5.00"),
        ("0;-0;\"none\"", 0.0, "none"),
        ("[>=100]\"many\";[<0]\"debt\";0", 7.0, "7"),
        ("[>=100]\"many\";[<0]\"debt\";0", 200.0, "many"),
        ("[>=100]\"many\";[<0]\"debt\";0", -5.0, "debt"),
        ("000-00-0000", 123_456_789.0, "123-45-6789"),
        ("0.00E+00", 12_345.0, "1.23E+04"),
        ("##0.0E+0", 12_345.0, "12.3E+3"),
        ("0.0E-0", 0.00099, "9.9E-4"),
        ("# ?/?", 1.5, "1 1/2"),
        ("# ??/??", 0.3125, " 5/16"),
        ("# ?/?", 0.0, "0"),
        ("# 0/0", 2.0, "2 0/1"),
        ("#E+0", 0.0, "0E+0"),
        ("# ?/8", 2.5, "2 4/8"),
        ("?/?", 3.75, "15/4"),
        ("General\" kg\"", 3.5, "3.5 kg"),
        ("@", 12.5, "12.5"),
        ("\\a $0.00\" b\"", 12.3, "a $12.30 b"),
        ("#,##0_);(#,##0)", 1234.0, "1,234 "),
    ] {
        assert_eq!(shown(code, value), expected, "{code} {value}");
    }
}

#[test]
fn dates_and_times_as_displayed() {
    let noon = 45_292.5;
    for (code, value, expected) in [
        ("yyyy-mm-dd", noon, "2024-01-01"),
        ("d/m/yy h:mm", noon, "1/1/24 12:00"),
        ("dddd, d. mmmm yyyy", noon, "Monday, 1. January 2024"),
        ("[$-407]ddd, d. mmmm yyyy", 45_352.0, "Fr, 1. März 2024"),
        ("yyyy\"年\"m\"月\"d\"日\"", noon, "2024年1月1日"),
        ("[$-411]aaaa", noon, "月曜日"),
        ("h:mm AM/PM", 0.75, "6:00 PM"),
        ("h:mm:ss a/p", 0.25, "6:00:00 A"),
        ("hh:mm:ss", 0.499_999_999, "12:00:00"),
        ("mm:ss.0", 0.001_234_5, "01:46.7"),
        ("[h]:mm:ss", 1.5, "36:00:00"),
        ("[mm]:ss", 0.0625, "90:00"),
        ("[h]:mm", -0.25, "-6:00"),
        ("mmm-yy", 60.0, "Feb-00"),
        ("m/d/yyyy", 59.0, "2/28/1900"),
        ("m/d/yyyy", 61.0, "3/1/1900"),
        ("m/d/yyyy", -1.0, "-1"),
        ("m/d/yyyy", 1e12, "1000000000000"),
    ] {
        assert_eq!(shown(code, value), expected, "{code} {value}");
    }
    assert_eq!(NumberFormat::built_in(14).number(0.0, Epoch::Y1904), "1904-01-01");
    assert!(NumberFormat::built_in(14).is_date() && !NumberFormat::built_in(4).is_date());
}

#[test]
fn iso_moments() {
    for (text, expected) in [
        ("2024-01-01", Some(45_292.0)),
        ("2024-01-01T12:00:00Z", Some(45_292.5)),
        ("1900-02-28", Some(59.0)),
        ("1900-03-01", Some(61.0)),
        ("06:00", Some(0.25)),
        ("2024-13-01", None),
        ("yesterday", None),
    ] {
        assert_eq!(serial(text, Epoch::Y1900), expected, "{text}");
    }
    assert_eq!(serial("1904-01-02", Epoch::Y1904), Some(1.0));
}

#[test]
fn general_numbers() {
    for (value, expected) in [
        (0.1 + 0.2, "0.3"),
        (1.0 / 3.0, "0.333333333"),
        (-12_345.0, "-12345"),
        (4_006_381_333_931.0, "4006381333931"),
        (1e15, "1E+15"),
        (1.23456789012, "1.23456789"),
        (123_456_789.125, "123456789.1"),
        (1e-9, "0.000000001"),
        (1.123_459e-10, "1.12346E-10"),
        (9.999_999e20, "1E+21"),
        (-0.0, "0"),
    ] {
        assert_eq!(general(value), expected);
    }
}

#[test]
fn texts_go_through_their_section() {
    assert_eq!(NumberFormat::parse("0;0;0;\"<\"@\">\"").text("x"), "<x>");
    assert_eq!(NumberFormat::parse("0.00").text("x"), "x");
    assert_eq!(NumberFormat::parse(";;;").number(5.0, Epoch::Y1900), "");
}

proptest! {
    #[test]
    fn any_code_and_number_ends(
        code in "[0#?.,%/@;\\[\\]<>=$\\-+Ee\"\\\\_* ymdhsaAMPgGneral1-9é]{0,24}",
        value in prop_oneof![any::<f64>(), -1e6..1e6f64],
    ) {
        let format = NumberFormat::parse(&code);
        let _ = (format.number(value, Epoch::Y1904), format.text("x"));
    }

    #[test]
    fn whole_numbers_come_back(value in -999_999_999_999_999i64..999_999_999_999_999) {
        prop_assert_eq!(general(value as f64), value.to_string());
        prop_assert_eq!(shown("0", value as f64), value.to_string());
        prop_assert_eq!(shown("#,##0", value as f64).replace(',', ""), value.to_string());
    }
}
