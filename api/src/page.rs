//! Lists in pages: how many, from where, and the opaque cursor between them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::error::FieldError;
use kit::Problem;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

const LIMIT_DEFAULT: u32 = 24;
pub(crate) const LIMIT_MAX: u32 = 100;
/// Ours are far shorter.
const CURSOR_BYTES_MAX: usize = 512;

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// Items to answer with.
    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit @ 1..=LIMIT_MAX => Ok(limit as usize),
            _ => Err(Problem::invalid(vec![FieldError::new("limit", "must be 1 to 100")])),
        }
    }

    /// Where the last page ended.
    pub(crate) fn after<C: DeserializeOwned>(&self) -> Result<Option<C>, Problem> {
        let Some(text) = self.cursor.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let broken = || Problem::invalid(vec![FieldError::new("cursor", "is not one of ours")]);
        if text.len() > CURSOR_BYTES_MAX {
            return Err(broken());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| broken())?;
        serde_json::from_slice(&bytes).map(Some).map_err(|_| broken())
    }
}

/// Rows to ask the database for: one more than shown tells whether there is a next page.
pub(crate) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::from(LIMIT_MAX)) + 1
}

/// Cuts the extra row off and makes the cursor from the last one shown.
pub(crate) fn cut<T, C: Serialize>(rows: &mut Vec<T>, limit: usize, cursor: impl Fn(&T) -> C) -> Option<String> {
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    let json = serde_json::to_vec(&cursor(rows.last()?)).ok()?;
    Some(URL_SAFE_NO_PAD.encode(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_from_page_to_page_and_ends() {
        let mut rows = vec![5, 4, 3];
        let cursor = cut(&mut rows, 2, |n| *n).expect("there is more");
        assert_eq!(rows, [5, 4]);
        let query = PageQuery { limit: Some(2), cursor: Some(cursor) };
        assert_eq!(query.after::<i32>().unwrap(), Some(4));
        assert_eq!(cut(&mut vec![3], 2, |n| *n), None);
    }

    #[test]
    fn strange_limits_and_cursors_are_refused() {
        for limit in [0, 101, u32::MAX] {
            assert!(PageQuery { limit: Some(limit), cursor: None }.limit().is_err());
        }
        for cursor in ["!!", "bm90IGpzb24", &"A".repeat(2_000)] {
            assert!(PageQuery { limit: None, cursor: Some((*cursor).to_owned()) }.after::<i32>().is_err());
        }
    }
}
