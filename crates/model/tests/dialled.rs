//! Numbers as people write them, from every country: what they are read as, or why they are not.
#![expect(clippy::unwrap_used, reason = "a broken table should fail loudly")]

use model::{Country, dialled, numbering};

/// One line of the table.
struct Row<'a> {
    line: usize,
    written: String,
    home: Option<Country>,
    expected: &'a str,
    country: &'a str,
    class: &'a str,
}

#[test]
fn every_number_of_the_table_is_read_or_refused_as_it_says() {
    let rows = rows(include_str!("dialled.txt"));
    assert!(rows.len() >= 500, "{} rows", rows.len());
    let wrong: Vec<String> = rows.iter().filter_map(differs).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn differs(row: &Row<'_>) -> Option<String> {
    let read = dialled::read(&row.written, row.home);
    let got = match read {
        Err(misdial) => format!("{} | - | -", misdial.label()),
        Ok(number) => {
            let place = numbering::place(&number);
            let country = place.country.map_or_else(|| "-".to_owned(), |at| at.to_string());
            format!("+{} | {country} | {}", number.digits(), place.class.name())
        }
    };
    let wanted = format!("{} | {} | {}", row.expected, row.country, row.class);
    (got != wanted).then(|| {
        let Row { line, written, home, .. } = row;
        format!("line {line}: {written:?} from {home:?}: {got}, not {wanted}")
    })
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let lines = table.lines().zip(1..).filter(|(text, _)| text.contains(" | "));
    lines
        .filter(|(text, _)| !text.starts_with("#   "))
        .map(|(text, line)| row(text, line))
        .collect()
}

fn row(text: &str, line: usize) -> Row<'_> {
    let mut columns = text.split(" | ");
    let mut next = || columns.next().unwrap_or("-");
    Row {
        line,
        written: unescaped(next()),
        home: next().parse().ok(),
        expected: next(),
        country: next(),
        class: next(),
    }
}

fn unescaped(text: &str) -> String {
    let text = text.replace("\\r", "\r").replace("\\n", "\n").replace("\\t", "\t");
    let mut parts = text.split("\\u{");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').unwrap();
        whole.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        whole.push_str(rest);
    }
    whole
}
