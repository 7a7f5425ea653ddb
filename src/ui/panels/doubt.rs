//! A command that was started and whose end nobody saw: what ran, and how to find out.

use super::Sheet;
use crate::app::action::Action;
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::workflow::CommandId;

pub fn sheet<'a>(paint: &Paint<'a>, id: &CommandId, attempt: u32, width: usize) -> Sheet<'a> {
    let mut sheet = Sheet::new(
        paint.spans([
            ("In doubt", Role::Warning),
            (" ── its end was not seen, and it is not run again by itself", Role::Text),
        ]),
        width,
    );
    let track = paint.model.state().commands.get(id);
    let attempt = track.and_then(|track| track.attempts.iter().find(|known| known.run.attempt == attempt));
    let Some(attempt) = attempt else {
        sheet.text(paint, "nothing is known about this attempt", Role::Dim);
        sheet.keys([paint.hint(Action::Close, "back")]);
        return sheet;
    };
    for line in attempt.run.text.trim_end().lines() {
        sheet.hanging(paint, ratatui::text::Line::from("  "), &format::clean(line), Role::Title);
    }
    sheet.blank();
    let who = attempt.by.as_ref().map_or("gonogo", |by| by.name.as_str());
    let when = format!(
        "{} by {who}, {} ago, attempt {}",
        paint.wall(attempt.started.wall),
        paint.age(attempt.started),
        attempt.run.attempt
    );
    sheet.fact(paint, "started", &when, Role::Text);
    if let Some(pid) = attempt.pid {
        sheet.fact(paint, "process", &format!("pid {pid}   ps -o pid,lstart,args -p {pid}"), Role::Text);
    } else {
        sheet.fact(paint, "process", "no process id was recorded: it may never have begun", Role::Text);
    }
    let mut place = vec![format!("directory {}", attempt.run.directory)];
    place.extend(attempt.run.context.iter().map(|context| format!("context {context}")));
    place.extend(attempt.run.namespace.iter().map(|namespace| format!("namespace {namespace}")));
    sheet.facts(paint, "where", &place, Role::Text);
    let mut label = "find out";
    for check in ways_to_check(&attempt.run.text) {
        sheet.fact(paint, std::mem::take(&mut label), &check, Role::Accent);
    }
    sheet.blank();
    sheet.text(
        paint,
        "Look first, then say what is true: your answer is recorded with your name. Failed means that it may be run again.",
        Role::Dim,
    );
    sheet.keys([
        paint.hint(Action::SettledGood, "it succeeded"),
        paint.hint(Action::SettledBad, "it failed, or never ran"),
        paint.hint(Action::Close, "later; it stays in doubt"),
    ]);
    sheet
}

/// Commands that only read, for the tools that release documents use.
fn ways_to_check(text: &str) -> Vec<String> {
    let mut ways: Vec<String> = Vec::new();
    let mut add = |way: String| {
        if !ways.contains(&way) {
            ways.push(way);
        }
    };
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let plain = || words.iter().skip(2).filter(|word| !word.starts_with('-'));
        match words.as_slice() {
            ["git", "push", ..] => {
                let remote = plain().next().unwrap_or(&"origin");
                add(format!("git ls-remote {remote} {}", plain().nth(1).unwrap_or(&""))
                    .trim_end()
                    .to_owned());
            }
            ["git", "tag", ..] => {
                let name = plain().next().unwrap_or(&"");
                add(format!("git tag -l {name}").trim_end().to_owned());
            }
            ["git", ..] => add("git status".to_owned()),
            ["kubectl", ..] => {
                let object = words.iter().find(|word| word.contains('/') && !word.contains('='));
                if let Some(object) = object {
                    add(format!("kubectl rollout history {object}"));
                    add(format!("kubectl get {object} -o wide"));
                }
            }
            ["gh", "workflow", "run", file, ..] => add(format!("gh run list --workflow {file}")),
            _ => {}
        }
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_find_out_follows_from_what_ran() {
        assert_eq!(ways_to_check("# push\ngit push origin v1.3.0\n"), ["git ls-remote origin v1.3.0"]);
        assert_eq!(ways_to_check("git tag -a v1.3.0 -m x"), ["git tag -l v1.3.0"]);
        assert_eq!(
            ways_to_check("kubectl set image deployment/app app=myapp:v1.3.0"),
            ["kubectl rollout history deployment/app", "kubectl get deployment/app -o wide"]
        );
        assert_eq!(ways_to_check("gh workflow run d.yml --ref v1"), ["gh run list --workflow d.yml"]);
        assert!(ways_to_check("make release").is_empty());
    }
}
