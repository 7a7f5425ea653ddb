//! Every action by name: a subsequence of letters finds it, runs of letters find it first.

use super::{Model, Purpose};
use crate::app::action::Action;

impl Model {
    /// What the open palette lists, best match first.
    pub fn palette(&self) -> Vec<Action> {
        match &self.view.prompt {
            Some(prompt) if prompt.purpose == Purpose::Palette => self.palette_for(prompt.input.value()),
            _ => self.palette_for(""),
        }
    }

    /// The actions that mean something here and match what was typed, best match first.
    pub fn palette_for(&self, query: &str) -> Vec<Action> {
        if Model::theme_typed(query).is_some() {
            return vec![Action::Theme];
        }
        matches(query).into_iter().filter(|action| self.knows(*action)).collect()
    }
}

pub fn matches(query: &str) -> Vec<Action> {
    let query = query.trim().to_lowercase();
    let mut found: Vec<(usize, Action)> = Action::ALL
        .iter()
        .filter_map(|action| {
            Some((distance(&query, action.name()).or_else(|| distance(&query, action.help()))?, *action))
        })
        .collect();
    found.sort_by_key(|(distance, _)| *distance);
    found.into_iter().map(|(_, action)| action).collect()
}

/// How far apart the letters of `query` stand in `text`; `None` when they are not all there in order.
fn distance(query: &str, text: &str) -> Option<usize> {
    let text = text.to_lowercase();
    let mut rest = text.char_indices();
    let mut first = None;
    let mut last = 0;
    for wanted in query.chars() {
        let (at, _) = rest.find(|(_, c)| *c == wanted)?;
        first.get_or_insert(at);
        last = at;
    }
    let start = first.unwrap_or(0);
    // Letters that stand together beat letters that stand early, and both beat a longer name.
    Some(
        (last - start).saturating_sub(query.chars().count().saturating_sub(1)) * 100
            + start * 10
            + text.len(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_order_find_an_action_and_runs_come_first() {
        assert_eq!(matches("rollb").first(), Some(&Action::RollbackPanel));
        assert_eq!(matches("roll").first(), Some(&Action::FocusRollout));
        assert_eq!(matches("skip").first(), Some(&Action::Skip));
        assert_eq!(matches("ovr").first(), Some(&Action::OverrideCriterion));
        assert!(matches("zzzz").is_empty());
        assert_eq!(matches("").len(), Action::ALL.len());
    }
}
