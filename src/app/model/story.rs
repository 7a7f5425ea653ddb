//! All that is known about one check, for a reader who wants more than its line.

use super::Model;
use crate::release::Answer;
use crate::workflow::CheckId;

impl Model {
    pub fn check_story(&self, id: &CheckId) -> String {
        let workflow = self.release.workflow();
        let Some(check) = workflow.check(id) else { return String::new() };
        let mut lines = vec![check.text.clone(), String::new()];
        let step = workflow.steps.iter().find(|step| step.checks().any(|known| &known.id == id));
        let file = step.map_or(workflow.file.as_str(), |step| workflow.file_of(step));
        lines.push(format!("{file}:{}", check.place.line));
        if check.optional {
            lines.push("may be answered “not applicable”, with a reason".to_owned());
        }
        lines.extend(
            check
                .annotated
                .terms()
                .iter()
                .map(|term| format!("{}{}", if term.warns { "⚠ " } else { "" }, term.text)),
        );
        if check.is_sensed() {
            lines.push("sensed by gonogo; going against it is an override and needs a reason".to_owned());
        }
        if let Some(mark) = self.state().checks.get(id) {
            let who = mark.by.as_ref().map_or("gonogo", |by| by.name.as_str());
            let what = match &mark.answer {
                Answer::Confirmed => "confirmed".to_owned(),
                Answer::NoGo => "NO-GO".to_owned(),
                Answer::NotApplicable => "not applicable".to_owned(),
                Answer::Skipped => "skipped".to_owned(),
                Answer::Overridden => "overridden".to_owned(),
                Answer::Sensed { value } => format!("sensed: {value}"),
                Answer::SensedFailing { value } => format!("sensed, not so: {value}"),
            };
            lines.push(String::new());
            lines.push(format!("{what} by {who}, {} s after the answer before", mark.took_s));
            lines.extend(mark.reason.iter().map(|reason| format!("because: {reason}")));
            lines.extend(mark.approvals.iter().map(|approval| format!("  by {approval}")));
            let seen = mark.evidence.iter();
            lines
                .extend(seen.map(|seen| format!("  ↳ {}: {} ({} s old)", seen.what, seen.value, seen.age_s)));
        }
        lines.extend(self.release.approvals(id).iter().map(|approval| format!("so far by {approval}")));
        lines.extend(self.release.awaited_approvals(check));
        let evidence = self.evidence_for(id);
        if !evidence.is_empty() {
            lines.push(String::new());
            lines.push("now:".to_owned());
            lines.extend(evidence.iter().map(|seen| {
                let stale = if seen.stale { "  STALE" } else { "" };
                format!("  ↳ {}: {} ({} s old){stale}", seen.what, seen.value, seen.age_s)
            }));
        }
        let near = workflow.errors.iter().filter(|row| shares_a_word(&row.error, &check.text));
        for row in near {
            lines.push(String::new());
            lines.push(format!("known error: {} — {} — {}", row.error, row.cause, row.solution));
        }
        lines.join("\n")
    }
}

/// Whether two sentences share a word that is long enough to mean something.
fn shares_a_word(left: &str, right: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let split = text.split(|c: char| !c.is_alphanumeric());
        split.filter(|word| word.chars().count() >= 5).map(str::to_lowercase).collect()
    };
    let right = words(right);
    words(left).iter().any(|word| right.contains(word))
}
