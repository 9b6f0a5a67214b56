//! Regions, headers and the page.

use proptest::prelude::*;

use super::*;

#[test]
fn regions_are_separate_tables() {
    let page = one_sheet(&rows("name,age,,item,price;Ann,5,,pen,1;Bob,6,,cup,2;;note"), &[]);
    assert_eq!(page.text, "S\n\nname | age\nAnn | 5\nBob | 6\n\nitem | price\npen | 1\ncup | 2\n\nnote");
    let header = BlockKind::Table { header_rows: 1 };
    let heading = BlockKind::Heading { level: 1 };
    assert_eq!(kinds(&page), [heading, header, header, BlockKind::Paragraph]);
}

#[test]
fn labels_and_values_across_an_empty_column_stay_together() {
    let page = one_sheet(&rows("Voltage,,kV,130;Frequency,,Hz,50;Phases,,,3"), &[]);
    assert_eq!(page.text, "S\n\nVoltage | kV | 130\nFrequency | Hz | 50\nPhases |  | 3");
}

#[test]
fn titles_above_tables_and_group_headers() {
    let merged = format!(
        "{}<mergeCells><mergeCell ref='B2:C2'/><mergeCell ref='A1:C1'/></mergeCells>",
        rows("Report 2024;who,sales;name,north,south;Ann,1,2;Bob,3,4")
    );
    let page = one_sheet(&merged, &[]);
    assert_eq!(page.text, "S\n\nReport 2024\n\nwho | sales\nname | north | south\nAnn | 1 | 2\nBob | 3 | 4");
    assert_eq!(kinds(&page).last(), Some(&BlockKind::Table { header_rows: 2 }));
}

#[test]
fn declared_tables_filters_panes_and_print_titles_have_headers() {
    let words = "top,note;key,value;a,b;c,d;end,note";
    let rels = "<Relationships><Relationship Id='1' Type='x/table' Target='../t.xml'/></Relationships>";
    let table = "<table ref='A2:B4'/>";
    let page = one_sheet(&rows(words), &[("xl/worksheets/_rels/0.xml.rels", rels), ("xl/t.xml", table)]);
    assert_eq!(page.text, "S\n\ntop | note\n\nkey | value\na | b\nc | d\n\nend | note");
    assert_eq!(kinds(&page).get(2), Some(&BlockKind::Table { header_rows: 1 }));
    let header = |page: Page| *kinds(&page).last().unwrap() == BlockKind::Table { header_rows: 1 };
    let words = rows("key,value;a,b;c,d");
    assert!(!header(one_sheet(&words, &[])));
    assert!(header(one_sheet(&format!("{words}<autoFilter ref='A1:B3'/>"), &[])));
    assert!(header(one_sheet(&format!("<sheetViews><pane ySplit='1' state='frozen'/></sheetViews>{words}"), &[])));
    let titles = "<definedNames><definedName name='_xlnm.Print_Titles' localSheetId='0'>S!$A:$A,S!$1:$1</definedName></definedNames>";
    assert!(header(one_sheet(&words, &[("workbook", titles)])));
}

#[test]
fn bold_names_above_plain_text_are_a_header() {
    let styles =
        "<styleSheet><fonts><font/><font><b/></font></fonts><cellXfs><xf/><xf fontId='1'/></cellXfs></styleSheet>";
    let cells = rows("key,value;a,b").replace("r='A1'", "r='A1' s='1'").replace("r='B1'", "r='B1' s='1'");
    let page = one_sheet(&cells, &[("xl/styles.xml", styles)]);
    assert_eq!(kinds(&page).last(), Some(&BlockKind::Table { header_rows: 1 }));
}

#[test]
fn long_texts_in_one_column_are_paragraphs() {
    let prose = "word ".repeat(30);
    let page = one_sheet(&rows(&format!("{prose};{prose}")), &[]);
    assert_eq!(kinds(&page), [BlockKind::Heading { level: 1 }, BlockKind::Paragraph, BlockKind::Paragraph]);
}

#[test]
fn cells_out_of_order_and_twice() {
    let cells = "<sheetData><row r='2'><c r='B2'><v>4</v></c><c r='A2'><v>3</v></c></row>\
        <row r='1'><c r='A1'><v>9</v></c><c r='B1'><v>2</v></c><c r='A1'><v>1</v></c></row></sheetData>";
    assert_eq!(one_sheet(cells, &[]).text, "S\n\n1 | 2\n3 | 4");
}

proptest! {
    #[test]
    fn every_cell_is_written_once(cells in proptest::collection::btree_map((0u32..30, 0u32..12), 0u32..2, 1..60)) {
        let mut grid = Grid::new(0, &Limits::default());
        for ((row, column), kind) in &cells {
            let kind = if *kind == 0 { grid::Kind::Text } else { grid::Kind::Typed };
            grid.put((*row, *column), &format!("r{row}c{column}"), kind, false).unwrap();
        }
        let page = layout::page("S", grid, 1, &Limits::default()).unwrap();
        let mut seen: Vec<&str> = page.text.split(|c: char| c.is_whitespace() || c == '|').filter(|w| w.contains('c')).collect();
        seen.sort_unstable();
        let mut expected: Vec<String> = cells.keys().map(|(row, column)| format!("r{row}c{column}")).collect();
        expected.sort_unstable();
        prop_assert_eq!(seen, expected);
    }
}
