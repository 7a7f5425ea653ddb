//! What each diagnostic is about, and why it matters: one table for `--explain` and the docs.

use std::fmt::Write as _;

use super::lint::severity;
use super::model::{Code, Severity};

impl Code {
    /// In the order of a report.
    pub const ALL: [Code; 38] = [
        Code::TagMessageLosesComments,
        Code::ChoiceNeeded,
        Code::PushBesideTag,
        Code::LiteralVersion,
        Code::WorkflowNotFound,
        Code::RoleUndeclared,
        Code::ReferenceNotRun,
        Code::Stream,
        Code::RatioWithoutPercentile,
        Code::NoAutomaticCheck,
        Code::FrontmatterBroken,
        Code::FrontmatterValue,
        Code::Mojibake,
        Code::NoSteps,
        Code::LongChecklist,
        Code::TickedInFile,
        Code::UnclosedFence,
        Code::NotUtf8,
        Code::ShellUnclosed,
        Code::HiddenCharacter,
        Code::RollbackInsideCommand,
        Code::UnclassifiedTasks,
        Code::DurationUnknown,
        Code::CriterionNotMeasured,
        Code::SecretInText,
        Code::AnnotationSyntax,
        Code::AnnotationHeld,
        Code::AnnotationDoubleDash,
        Code::AnnotationKey,
        Code::AnnotationValue,
        Code::AnnotationMisplaced,
        Code::AnnotationNotHonoured,
        Code::AnnotationWeakens,
        Code::CallRefused,
        Code::CallTarget,
        Code::CalledErrors,
        Code::CallShadowed,
        Code::CallLeftOut,
    ];

    /// The code of a name as reports write it.
    pub fn named(name: &str) -> Option<Code> {
        Code::ALL.into_iter().find(|code| code.as_str() == name)
    }

    pub fn severity(self) -> Severity {
        severity(self)
    }

    /// Whether `gonogo lint --fix` has one safe answer to it; for [`Code::AnnotationSyntax`] that is
    /// its first word alone.
    pub fn is_fixable(self) -> bool {
        matches!(self, Code::TickedInFile | Code::AnnotationSyntax | Code::AnnotationDoubleDash)
    }

    /// Why it matters, in full sentences.
    pub fn why(self) -> &'static str {
        match self {
            Code::TagMessageLosesComments => {
                "`git tag -m` strips every line that begins with `#`, so the headings of a release note vanish from the tag without a word. A pushed tag is not easily corrected."
            }
            Code::ChoiceNeeded => {
                "Alternatives of one block exclude each other. Other runners execute them one after another, which deploys twice; gonogo asks which one is meant."
            }
            Code::PushBesideTag => {
                "A local tag can be looked at and made anew, a pushed one starts pipelines and is seen by others. In one block there is no moment between the two."
            }
            Code::LiteralVersion => {
                "A version that stands in the document as a literal is the version of some other release. gonogo replaces it everywhere, and shows what it replaces before anything runs."
            }
            Code::WorkflowNotFound => {
                "A workflow that is called and not there is found missing at the moment when it is needed, which is often a rollback."
            }
            Code::RoleUndeclared => {
                "A role that nobody is named for at the start is a telephone number to look up during an incident."
            }
            Code::ReferenceNotRun => {
                "Blocks that are no commands of a step are shown and never run: whoever expects them to run should know before the release."
            }
            Code::Stream => {
                "A command that follows something never ends. It feeds a pane, and nothing waits for its exit code."
            }
            Code::RatioWithoutPercentile => {
                "“Latency doubles” means another number for the median than for p95, and another one for each moment that it is compared with."
            }
            Code::NoAutomaticCheck => {
                "Every answer then rests on somebody looking. That is allowed, and worth knowing: checks that machines can read are better read by machines."
            }
            Code::FrontmatterBroken => {
                "Roles, targets and the rollback policy stand in the YAML head. What cannot be read there is not in force."
            }
            Code::FrontmatterValue => {
                "A key of the head with a value that cannot be understood is left out, and what it was to secure is not secured."
            }
            Code::Mojibake => {
                "Text that was decoded wrongly on its way shows other words than its author wrote, and a command with such text runs as it stands."
            }
            Code::NoSteps => {
                "A release walks through steps. Without one there is nothing to run and nothing to confirm."
            }
            Code::LongChecklist => {
                "More than nine items between two pauses are shortcut, not read: after a minute and a half people begin to tick."
            }
            Code::TickedInFile => {
                "A ticked box in the file says what was true once. gonogo starts with every box open and keeps the answers of a release in its journal."
            }
            Code::UnclosedFence => {
                "A fence that is never closed turns the rest of the document into code: steps and checks below it are gone."
            }
            Code::NotUtf8 => {
                "Bytes that are no UTF-8 are replaced before anything is read, in commands as well: what runs is not what its author wrote."
            }
            Code::ShellUnclosed => {
                "An open quote swallows what follows. The shell would refuse the block, or run something else than it shows."
            }
            Code::HiddenCharacter => {
                "An invisible character makes a terminal show something else than what the shell reads. It gets in by pasting, or on purpose."
            }
            Code::RollbackInsideCommand => {
                "A command that undoes by itself does it to the revision before, not to the one that was known to be good, and nobody verifies it."
            }
            Code::UnclassifiedTasks => {
                "Boxes where no step leads are shown and nothing waits for them: an author who counted on them would be wrong."
            }
            Code::DurationUnknown => {
                "A watching time whose unit is misspelt is not timed, so the step could be closed at once."
            }
            Code::CriterionNotMeasured => {
                "A criterion with a number reads as if it were watched. gonogo watches four metrics; everything else a person has to declare."
            }
            Code::SecretInText => {
                "What stands in a command's text stands in the journal, on the screen and in the report. A secret goes into the environment of commands and nowhere else, so nothing is put in its place here and the command does not run."
            }
            Code::AnnotationSyntax => {
                "Nobody sees a comment on a rendered page, so nobody notices one that cannot be read. If it may have been meant as a gate, what it stands at is held."
            }
            Code::AnnotationHeld => {
                "A gate fails closed: one that cannot be read, or not be kept, must not become an open door. It is held instead, and only an override with a reason, which the report shows, goes past it."
            }
            Code::AnnotationDoubleDash => {
                "Behind other words GitHub ends a comment at `--` and prints the rest of it to every reader."
            }
            Code::AnnotationKey => {
                "An unknown key does nothing. Beside a gate, or where it looks like a misspelt gate, it is held instead."
            }
            Code::AnnotationValue => {
                "The document then runs as if the key were not there, which its author did not expect."
            }
            Code::AnnotationMisplaced => {
                "A comment is about the words before it, the item around it, or the block after it. A key that none of them can carry does nothing; a gate is held."
            }
            Code::AnnotationNotHonoured => {
                "gonogo knows what the key means and does not do it here, because something stricter holds. Saying so is better than leaving it out silently."
            }
            Code::AnnotationWeakens => {
                "A reviewer reads the rendered page, where the comment cannot be seen. So what it takes from a gate is marked ⚠ in the plan, on the screen and in the report."
            }
            Code::CallRefused => {
                "A call that cannot be followed must not become an open door: it stays in its place and is held, which only an override with a reason goes past. The rest of the document runs."
            }
            Code::CallTarget => {
                "What the rollback key returns to is pinned for the targets of the document that was started. A called workflow never adds to them in silence, so what it changes elsewhere is not covered."
            }
            Code::CalledErrors => {
                "Its steps run in the place of the call, and what is wrong with them is wrong with this release."
            }
            Code::CallShadowed => {
                "Two files of one name are easily taken for each other. The nearer one is run, and whoever meant the other should know."
            }
            Code::CallLeftOut => {
                "One release has one way back. The rollback section, the criteria and the policy of a called workflow are not taken over: those of the document that was started hold."
            }
        }
    }
}

/// What `gonogo lint --explain CODE` prints.
///
/// - Shape: ends in a newline.
pub fn lint_explained(code: Code) -> String {
    let fix = if code.is_fixable() { "\nfix      gonogo lint --fix corrects it\n" } else { "\n" };
    format!("{}  ({})\n\nwhy      {}\n{}", code.as_str(), code.severity().as_str(), code.why(), &fix[1..])
}

/// Every code for the documentation, as Markdown.
pub fn lint_reference() -> String {
    let mut page = String::new();
    for code in Code::ALL {
        let fix = if code.is_fixable() { " · `--fix`" } else { "" };
        let _ = write!(
            page,
            "### `{}`\n\n*{}{fix}.* {}\n\n",
            code.as_str(),
            code.severity().as_str(),
            code.why()
        );
    }
    page.truncate(page.trim_end().len());
    page + "\n"
}
