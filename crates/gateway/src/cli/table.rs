//! Rows of text for people (aligned) and for spreadsheets (CSV, RFC 4180).

use std::io::{self, Write};

/// A heading and rows of as many cells.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Starts a table.
    pub(crate) fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes aligned columns, two blanks between them.
    ///
    /// # Errors
    /// Those of `out`.
    pub(crate) fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let heading: Vec<String> = self.heading.iter().map(|cell| (*cell).to_owned()).collect();
        let rows = || std::iter::once(&heading).chain(&self.rows);
        let width = |at: usize| {
            let cells = rows().filter_map(|row| row.get(at));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heading.len()).map(width).collect();
        for row in rows() {
            let cells = row.iter().zip(&widths);
            let line: Vec<String> =
                cells.map(|(cell, width)| format!("{:width$}", printable(cell))).collect();
            writeln!(out, "{}", line.join("  ").trim_end())?;
        }
        Ok(())
    }

    /// Writes CSV with CRLF line ends. A cell that a spreadsheet would take for a formula gets an
    /// apostrophe in front, and no cell has a line end in it (reliability.md S18).
    ///
    /// # Errors
    /// Those of `out`.
    pub(crate) fn write_csv(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{}\r\n", self.heading.join(","))?;
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| csv_cell(cell)).collect();
            write!(out, "{}\r\n", cells.join(","))?;
        }
        Ok(())
    }
}

/// Replaces what could steer a terminal: control characters come from strangers' headers.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn csv_cell(cell: &str) -> String {
    let plain = |b: u8| b.is_ascii_digit() || b == b'.';
    let digits = cell.strip_prefix(['+', '-']).unwrap_or(cell);
    let number = !digits.is_empty() && digits.bytes().all(plain);
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && !number;
    let cell = printable(cell);
    let inert = if formula { format!("'{cell}") } else { cell };
    if inert.contains([',', '"']) {
        return format!("\"{}\"", inert.replace('"', "\"\""));
    }
    inert
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["name", "amount"]);
        table.push(vec!["a".into(), "-0.10".into()]);
        table.push(vec!["longer, \"name\"".into(), "=1+1".into()]);
        table
    }

    #[test]
    fn columns_are_aligned() {
        let mut out = Vec::new();
        table().write_text(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "name            amount\na               -0.10\nlonger, \"name\"  =1+1\n");
    }

    #[test]
    fn csv_is_quoted_and_inert() {
        let mut out = Vec::new();
        table().write_csv(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "name,amount\r\na,-0.10\r\n\"longer, \"\"name\"\"\",'=1+1\r\n");
    }

    #[test]
    fn a_masked_number_is_inert_and_a_whole_one_stays() {
        assert_eq!(csv_cell("+1415555****"), "'+1415555****");
        assert_eq!(csv_cell("+14155550123"), "+14155550123");
    }

    #[test]
    fn a_strangers_header_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
    }
}
