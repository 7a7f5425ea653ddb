//! Without a release: which workloads are looked at.

use std::collections::BTreeSet;

use super::{Ask, flash};
use crate::app::model::{Mode, Model, Panel, Watching};
use crate::watch::TargetRef;

/// So many are watched without asking: they fit on the smallest screen.
const FEW: usize = 4;

/// Takes in what the namespace has: a few are watched at once, of many the operator chooses.
pub(super) fn offered(model: &mut Model, offered: Vec<TargetRef>) -> Vec<Ask> {
    let Mode::Watching(watching) = &mut model.mode else { return Vec::new() };
    watching.offered = offered;
    let (offered, is_chosen) = (watching.offered.clone(), !watching.targets.is_empty());
    if is_chosen || offered.is_empty() {
        return Vec::new();
    }
    if offered.len() <= FEW {
        return watch(model, offered);
    }
    open(model)
}

/// Opens the list to choose from, with what is watched marked.
pub(super) fn open(model: &mut Model) -> Vec<Ask> {
    let Some(Watching { targets, offered, .. }) = model.watching() else { return Vec::new() };
    if offered.is_empty() {
        flash(model, "the command line says what is watched", true);
        return Vec::new();
    }
    let selected = offered.iter().position(|target| targets.contains(target)).unwrap_or(0);
    let marked: BTreeSet<TargetRef> = targets.iter().cloned().collect();
    model.view.panel_scroll = 0;
    model.view.panel = Some(Panel::Workloads { selected, marked });
    Vec::new()
}

/// Marks the selected workload, or takes its mark back.
pub(super) fn mark(model: &mut Model) {
    let Mode::Watching(watching) = &model.mode else { return };
    let Some(Panel::Workloads { selected, marked }) = &mut model.view.panel else { return };
    let Some(target) = watching.offered.get(*selected) else { return };
    if !marked.remove(target) {
        marked.insert(target.clone());
    }
    *selected = (*selected + 1).min(watching.offered.len() - 1);
}

/// Marks all, or none when all are marked.
pub(super) fn mark_all(model: &mut Model) {
    let Mode::Watching(watching) = &model.mode else { return };
    let Some(Panel::Workloads { marked, .. }) = &mut model.view.panel else { return };
    if marked.len() == watching.offered.len() {
        marked.clear();
    } else {
        marked.extend(watching.offered.iter().cloned());
    }
}

/// Watches what is marked, or else what is selected.
pub(super) fn choose(model: &mut Model) -> Vec<Ask> {
    let Mode::Watching(watching) = &model.mode else { return Vec::new() };
    let Some(Panel::Workloads { selected, marked }) = model.view.panel.take() else { return Vec::new() };
    let is_meant = |(index, target): &(usize, &TargetRef)| match marked.is_empty() {
        true => *index == selected,
        false => marked.contains(target),
    };
    let chosen = watching.offered.iter().enumerate().filter(is_meant).map(|(_, target)| target.clone());
    let chosen: Vec<TargetRef> = chosen.collect();
    watch(model, chosen)
}

fn watch(model: &mut Model, targets: Vec<TargetRef>) -> Vec<Ask> {
    let Mode::Watching(watching) = &mut model.mode else { return Vec::new() };
    if watching.targets == targets {
        return Vec::new();
    }
    watching.targets.clone_from(&targets);
    // What is no longer watched would only grow old.
    model.observed.workloads.retain(|target, _| targets.contains(target));
    vec![Ask::Watch(targets)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::action::Action;
    use crate::app::model::fixture::{Pods, Script, workload};
    use crate::app::model::{Pane, Seen};

    const MANY: [&str; 6] = ["app", "basket", "catalog", "mail", "pay", "search"];

    fn names(script: &Script) -> Vec<&str> {
        script.model.targets().iter().map(|target| target.name.as_str()).collect()
    }

    fn watched(script: &Script) -> Vec<Vec<String>> {
        let of = |targets: &Vec<TargetRef>| targets.iter().map(|target| target.name.clone()).collect();
        let asks = script.asked.iter();
        asks.filter_map(|ask| if let Ask::Watch(targets) = ask { Some(of(targets)) } else { None }).collect()
    }

    #[test]
    fn a_few_workloads_are_watched_without_asking() {
        let script = Script::choosing(&["app", "basket"]);
        assert_eq!((names(&script), watched(&script).len()), (vec!["app", "basket"], 1));
        assert_eq!(script.model.view.panel, None);
    }

    #[test]
    fn of_many_those_are_watched_that_were_marked() {
        let mut script = Script::choosing(&MANY);
        assert!(
            names(&script).is_empty() && matches!(script.model.view.panel, Some(Panel::Workloads { .. }))
        );
        for key in ["space", "down", "space", "enter"] {
            script.key(key);
        }
        assert_eq!(names(&script), ["app", "catalog"]);
        assert_eq!(watched(&script), [["app", "catalog"]]);
        assert_eq!(script.model.view.panel, None);
    }

    #[test]
    fn without_a_mark_the_selected_one_is_watched_and_all_with_one_key() {
        let mut script = Script::choosing(&MANY);
        for key in ["down", "enter"] {
            script.key(key);
        }
        assert_eq!(names(&script), ["basket"]);
        for key in ["T", "a", "enter"] {
            script.key(key);
        }
        assert_eq!(names(&script), MANY);
        for key in ["T", "a", "enter"] {
            script.key(key);
        }
        assert_eq!(names(&script), ["app"], "all marks taken back leave the selected one");
    }

    #[test]
    fn another_choice_forgets_what_is_no_longer_watched() {
        let mut script = Script::choosing(&MANY);
        script.key("enter");
        script.see(workload(&[Pods { tag: "v1.2.0", revision: 7, ready: 4, starting: 0 }]));
        let known = |script: &Script| {
            script
                .model
                .observed
                .workloads
                .values()
                .map(|seen: &Seen| seen.facts.target.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(known(&script), ["app"]);
        for key in ["T", "down", "space", "up", "up", "space", "enter"] {
            script.key(key);
        }
        assert_eq!(names(&script), ["basket"]);
        assert!(known(&script).is_empty());
        script.see(workload(&[Pods { tag: "v1.2.0", revision: 7, ready: 4, starting: 0 }]));
        assert!(known(&script).is_empty(), "told before the choice was made");
    }

    #[test]
    fn no_key_of_a_release_does_anything() {
        let mut script = Script::watching();
        script.see(workload(&[Pods { tag: "v1.2.0", revision: 7, ready: 4, starting: 0 }]));
        for binding in script.model.keymap.clone().bindings() {
            if !binding.action.needs_release() {
                continue;
            }
            let asks = crate::app::update::keys::act(&mut script.model, binding.action);
            assert_eq!(asks, [], "{:?}", binding.action);
            assert!(script.model.view.panel.is_none() && script.model.view.prompt.is_none());
        }
        assert_eq!(
            script.asked.iter().filter(|ask| matches!(ask, Ask::Do(_) | Ask::Append { .. })).count(),
            0
        );
    }

    #[test]
    fn the_palette_offers_nothing_of_a_release() {
        let script = Script::watching();
        let offered = script.model.palette();
        assert!(offered.contains(&Action::Filter) && offered.contains(&Action::Quit));
        assert!(!offered.iter().any(|action| action.needs_release()));
        assert!(!offered.contains(&Action::Workloads), "the command line says what is watched");
        assert!(Script::choosing(&MANY).model.palette().contains(&Action::Workloads));
        assert!(!Script::begun().model.palette().contains(&Action::Workloads));
    }

    #[test]
    fn panes_are_gone_through_without_a_checklist() {
        let mut script = Script::watching();
        for (key, pane) in [
            ("tab", Pane::Signals),
            ("tab", Pane::Rollout),
            ("shift-tab", Pane::Signals),
            ("1", Pane::Signals),
        ] {
            script.key(key);
            assert_eq!(script.model.view.focus, pane, "{key}");
        }
    }

    #[test]
    fn q_leaves_at_once_and_is_no_failure() {
        let mut script = Script::watching();
        script.key("q");
        assert_eq!(script.asked, [Ask::Drain]);
        script.send(crate::app::msg::What::Drained);
        assert_eq!(script.asked.last(), Some(&Ask::Exit(0)));
    }
}
