//! What every panel draws with: the model, the theme and the words that follow from them.

use jiff::{SignedDuration, Timestamp};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::format;
use super::signs::Sign;
use super::theme::{Role, Theme};
use crate::app::action::Action;
use crate::app::keymap::{Context, Key};
use crate::app::model::Model;
use crate::watch::Moment;

/// The model and how to show it, for one frame.
#[derive(Clone, Copy)]
pub struct Paint<'a> {
    pub model: &'a Model,
    pub theme: &'a Theme,
}

impl<'a> Paint<'a> {
    pub fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    pub fn span(&self, text: impl Into<std::borrow::Cow<'a, str>>, role: Role) -> Span<'a> {
        Span::styled(text, self.style(role))
    }

    pub fn line(&self, text: impl Into<std::borrow::Cow<'a, str>>, role: Role) -> Line<'a> {
        Line::from(self.span(text, role))
    }

    /// One line of pieces that each have their own role.
    pub fn spans<const N: usize>(&self, pieces: [(&'a str, Role); N]) -> Line<'a> {
        Line::from_iter(pieces.map(|(text, role)| self.span(text, role)))
    }

    pub fn sign(&self, sign: Sign) -> &'static str {
        sign.text(self.model.settings.ascii)
    }

    /// How wide a mark at the head of a line is.
    pub fn sign_width(&self) -> usize {
        if self.model.settings.ascii { 3 } else { 1 }
    }

    pub fn wall(&self, at: Timestamp) -> String {
        format::wall(at, &self.model.settings.zone)
    }

    /// How much wall time has passed since a moment.
    pub fn since(&self, at: Moment) -> SignedDuration {
        self.model.now.wall.duration_since(at.wall)
    }

    /// How much time of the release's own world has passed.
    pub fn world_since(&self, at: Timestamp) -> SignedDuration {
        self.model.now.world.duration_since(at)
    }

    pub fn age(&self, at: Moment) -> String {
        format::age(self.since(at))
    }

    /// The key that does `action` here, as the footer writes it.
    pub fn key(&self, action: Action) -> Option<String> {
        self.key_in(&self.model.contexts(), action)
    }

    /// The key that does `action` wherever a key of that name is not taken by a panel.
    pub fn key_anywhere(&self, action: Action) -> Option<String> {
        let contexts = [Context::Global, Context::RollbackPanel, Context::Checklist, Context::Terminal];
        self.key_in(&contexts, action)
    }

    /// The first key of an action, whatever place it works in: the palette lists them all.
    pub fn key_for_list(&self, action: Action) -> Option<String> {
        let binding = self.model.keymap.bindings().iter().find(|binding| binding.action == action)?;
        binding.keys.first().map(|key| self.key_name(*key))
    }

    fn key_in(&self, contexts: &[Context], action: Action) -> Option<String> {
        Some(self.key_name(self.model.keymap.key(contexts, action)?))
    }

    /// A key as people write it, in words where its sign cannot be shown.
    pub fn key_name(&self, key: Key) -> String {
        let name = key.to_string();
        if self.model.settings.ascii { ascii_key(&name) } else { name }
    }

    /// `r  run it`: the key in the accent role, what it does beside it; nothing when no key does it.
    pub fn hint(&self, action: Action, label: &'a str) -> Line<'a> {
        match self.key(action) {
            Some(key) => {
                Line::from_iter([self.span(key, Role::Accent), Span::raw(" "), self.span(label, Role::Text)])
            }
            None => Line::default(),
        }
    }
}

fn ascii_key(key: &str) -> String {
    match key {
        "⏎" => "enter".to_owned(),
        "↑" => "up".to_owned(),
        "↓" => "down".to_owned(),
        "←" => "left".to_owned(),
        "→" => "right".to_owned(),
        other => other.to_owned(),
    }
}
