//! The table of keys for the documentation, from the keys themselves.

use std::fmt::Write as _;

use super::keys::{KEYS, On};

/// Every key as a Markdown table, in the order of the documentation.
///
/// - Shape: ends in a newline; gate keys are bold.
pub fn annotation_reference() -> String {
    let mut page = String::from("| key | stands at | what it does |\n| --- | --- | --- |\n");
    for key in KEYS {
        let written =
            if key.value.is_empty() { key.name.to_owned() } else { format!("{}={}", key.name, key.value) };
        let name = if key.gate { format!("**`{written}`**") } else { format!("`{written}`") };
        let on: Vec<&str> = key.on.iter().map(|on| short(*on)).collect();
        let _ = writeln!(page, "| {name} | {} | {}. |", on.join(", "), key.does);
    }
    page
}

fn short(on: On) -> &'static str {
    match on {
        On::Heading => "heading",
        On::Paragraph => "paragraph",
        On::Item => "check",
        On::Command => "command",
        On::Fence => "other fence",
    }
}
