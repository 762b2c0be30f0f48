//! Tables of comma-separated values that commands leave.

use crate::report::csv_text;
use crate::{Error, Result};

/// A table that is written row by row.
pub struct Table(csv::Writer<Vec<u8>>);

impl Table {
    pub fn new(heading: &[&str]) -> Result<Table> {
        let mut table = Table(csv::Writer::from_writer(Vec::new()));
        table.row(heading)?;
        Ok(table)
    }

    /// # Errors
    /// [`Error::Bug`] for another number of cells than the heading has.
    pub fn row(&mut self, cells: &[&str]) -> Result<()> {
        // A number is none of the texts that a spreadsheet would compute.
        let cells = cells.iter().map(|cell| match cell.parse::<f64>() {
            Ok(_) => cell.to_string(),
            Err(_) => csv_text(cell),
        });
        self.0.write_record(cells).map_err(wrong)
    }

    /// The bytes of the file.
    pub fn finish(self) -> Result<Vec<u8>> {
        self.0.into_inner().map_err(wrong)
    }
}

fn wrong(e: impl std::fmt::Display) -> Error {
    Error::Bug(format!("a table: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_texts_and_numbers_numbers() {
        let mut table = Table::new(&["a", "b"]).unwrap();
        table.row(&["=1+1", "-0.5"]).unwrap();
        table.row(&["x, \"y\"", "-inf"]).unwrap();
        let text = String::from_utf8(table.finish().unwrap()).unwrap();
        assert_eq!(text, "a,b\n'=1+1,-0.5\n\"x, \"\"y\"\"\",-inf\n");
        assert!(Table::new(&["a", "b"]).unwrap().row(&["one"]).is_err());
    }
}
