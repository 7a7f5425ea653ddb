//! The question before an order to an Argo Rollout: what it is now, what the order does, where.

use ratatui::text::Line;

use super::Sheet;
use crate::app::action::Action;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::watch::TargetRef;
use crate::watch::rollout::argo::{self, Order};

pub fn sheet<'a>(paint: &Paint<'a>, target: &TargetRef, order: Order, width: usize) -> Sheet<'a> {
    let title = Line::from_iter([
        paint.span(format!("{} {target}", capital(order)), Role::Title),
        paint.span(" ── nothing is sent before r", Role::Text),
    ]);
    let mut sheet = Sheet::new(title, width);
    let state = paint.model.state();
    let Some(seen) = paint.model.observed.workloads.get(target) else {
        sheet.text(paint, &format!("{target} is not watched any more"), Role::Warning);
        sheet.keys([paint.hint(Action::Close, "close")]);
        return sheet;
    };
    let verdict = &seen.verdict;
    sheet.fact(paint, "now", &format!("{}  {}", verdict.state.word(), verdict.field), Role::Text);
    if let Some(trouble) = &verdict.trouble {
        sheet.fact(paint, "", &trouble.line(), Role::Bad);
    }
    sheet.blank();
    let mut label = "then";
    for words in argo::consequence(&seen.facts, order) {
        sheet.fact(paint, std::mem::take(&mut label), &words, Role::Accent);
    }
    sheet.blank();
    let context = state.context.as_deref().unwrap_or("no context");
    sheet.fact(paint, "where", &format!("context {context}   namespace {}", target.namespace), Role::Text);
    if let Some((_, cause)) = paint.model.cluster_silence() {
        sheet.fact(paint, "stale", &format!("the cluster does not answer: {cause}"), Role::Stale);
    }
    match why_not(paint, target, order) {
        Some(why) => {
            sheet.fact(paint, "not now", &why, Role::Warning);
            sheet.keys([paint.hint(Action::Close, "close")]);
        }
        None => {
            sheet.keys([
                paint.hint(Action::Run, send_words(order)),
                paint.hint(Action::Close, "back, nothing is done"),
            ]);
        }
    }
    sheet
}

fn why_not(paint: &Paint, target: &TargetRef, order: Order) -> Option<String> {
    argo::why_not(&paint.model.observed.workloads.get(target)?.facts, order)
}

fn send_words(order: Order) -> &'static str {
    match order {
        Order::Promote => "promote it now",
        Order::PromoteFull => "promote it in full now",
        Order::Abort => "abort it now",
        Order::Retry => "retry it now",
    }
}

fn capital(order: Order) -> String {
    let words = order.to_string();
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
