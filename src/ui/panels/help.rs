//! Every key that works, those of the place one stands in first.

use ratatui::text::Line;

use super::Sheet;
use crate::app::action::Action;
use crate::app::keymap::Context;
use crate::app::model::Pane;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;

pub fn sheet<'a>(paint: &Paint<'a>, width: usize) -> Sheet<'a> {
    let mut sheet = Sheet::new(paint.line("Keys", Role::Title), width);
    let here = match paint.model.view.focus {
        Pane::Checklist => Context::Checklist,
        Pane::Rollout => Context::Logs,
        Pane::Signals => Context::Signals,
    };
    let mut contexts: Vec<Context> = vec![here, Context::Global];
    contexts.extend(paint.model.knows(Action::RollbackPanel).then_some(Context::RollbackPanel));
    let is_watching = paint.model.watching().is_some();
    for binding in paint.model.keymap.bindings() {
        let is_listed = contexts.contains(&binding.context);
        let is_known = !is_watching || !binding.context.needs_release();
        if !is_listed && is_known {
            contexts.push(binding.context);
        }
    }
    for context in contexts {
        if context == Context::ListPanel && !paint.model.knows(Action::Choose) {
            continue;
        }
        let bindings = paint.model.keymap.bindings().iter();
        let bindings =
            bindings.filter(|binding| binding.context == context && paint.model.knows(binding.action));
        let mut is_first = true;
        for binding in bindings {
            if std::mem::take(&mut is_first) {
                sheet.blank();
                sheet.push(paint.line(context.title(), Role::Title));
            }
            let keys: Vec<String> = binding.keys.iter().map(|key| paint.key_name(*key)).collect();
            let head = paint.line(format!("  {:<14} ", keys.join(" ")), Role::Accent);
            sheet.hanging(paint, head, paint.model.help(binding.action), Role::Text);
        }
    }
    signs(paint, &mut sheet);
    sheet.keys([
        paint.hint(Action::Down, "down"),
        paint.hint(Action::PageDown, "a page down"),
        paint.hint(Action::Close, "close"),
    ]);
    sheet
}

fn signs<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    use crate::ui::signs::Sign;
    sheet.blank();
    sheet.push(paint.line("Signs", Role::Title));
    let rows: [(Sign, Role, &str); 8] = [
        (Sign::Open, Role::Text, "open: a person answers it"),
        (Sign::Ticked, Role::Ok, "confirmed by a person"),
        (Sign::Sensed, Role::Sensed, "sensed by gonogo"),
        (Sign::Overridden, Role::Overridden, "a person went against what was sensed"),
        (Sign::NotApplicable, Role::Dim, "skipped, or not applicable"),
        (Sign::Closed, Role::Ok, "closed"),
        (Sign::No, Role::Bad, "NO-GO, or failed"),
        (Sign::Unknown, Role::Warning, "not known: never taken for good or bad"),
    ];
    for (sign, role, words) in rows {
        if paint.model.watching().is_some() && sign != Sign::Unknown {
            continue;
        }
        let head = Line::from_iter([paint.span(format!("  {:<4} ", paint.sign(sign)), role)]);
        sheet.hanging(paint, head, words, Role::Text);
    }
    let pods = paint.line("  ● ◌ ○  ", Role::Text);
    sheet.hanging(paint, pods, "pods: ready, starting, ending; ? while the cluster is silent", Role::Text);
}
