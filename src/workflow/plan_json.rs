//! The plan for machines: schema `gonogo.plan/1`. Field names are stable; new ones may be added.

use serde_json::{Value, json};

use super::model::{
    Applied, Call, Check, Command, Criterion, CriterionKind, Diagnostic, Escalation, Gate, Group, KnownError,
    ParamKind, Place, Step, Workflow,
};

/// The plan of a workflow as `gonogo plan --format json` prints it.
///
/// - Units: seconds for `timebox_s`, `min_s`, `max_s`; lines and columns from 1, columns in
///   characters.
pub fn plan_json(workflow: &Workflow) -> Value {
    json!({
        "schema": "gonogo.plan/1",
        "file": workflow.file,
        "sha256": workflow.sha256,
        "name": workflow.name,
        "title": workflow.title,
        "language": workflow.language,
        "goal": workflow.goal,
        "roles": list(&workflow.roles, |role| json!({ "name": role.name, "declared": role.declared })),
        "calls": list(&workflow.calls, call),
        "params": list(&workflow.params, |param| json!({
            "name": param.name,
            "type": param.kind.as_str(),
            "values": match &param.kind {
                ParamKind::Choice(values) => json!(values),
                _ => Value::Null,
            },
            "declared": param.declared,
            "preset": param.preset,
            "about": param.about,
            "default": param.default,
            "placeholders": param.placeholders,
            "offer": param.offer,
            "occurrences": list(&param.occurrences, place),
        })),
        "targets": list(&workflow.targets, |target| json!({
            "kind": target.kind,
            "name": target.name,
            "namespace": target.namespace,
            "context": target.context,
            "container": target.container,
        })),
        "nginx": workflow.nginx,
        "gates": list(&workflow.gates, gate),
        "steps": list(&workflow.steps, step),
        "outputs": list(&workflow.outputs, check),
        "rollback": {
            "calls": list(&workflow.rollback.calls, call),
            "commands": list(&workflow.rollback.commands, command),
            "criteria": list(&workflow.rollback.criteria, criterion),
        },
        "errors": list(&workflow.errors, known_error),
        "escalation": list(&workflow.escalation, escalation),
        "annotations": list(&workflow.annotations, annotation),
        "diagnostics": list(&workflow.diagnostics, diagnostic),
    })
}

fn list<T>(items: &[T], one: impl Fn(&T) -> Value) -> Value {
    items.iter().map(one).collect()
}

fn place(place: &Place) -> Value {
    json!({ "line": place.line, "column": place.column })
}

fn call(call: &Call) -> Value {
    json!({
        "workflow": call.workflow,
        "found": call.found,
        "line": call.place.line,
        "with": list(&call.with, |(name, value)| json!({ "name": name, "value": value })),
        "condition": call.condition,
        "file": call.answer.as_ref().map(|answer| &answer.file),
        "from": call.answer.as_ref().map(|answer| answer.from),
        "others": call.answer.as_ref().map(|answer| &answer.others),
    })
}

fn gate(gate: &Gate) -> Value {
    json!({ "id": gate.id, "title": gate.title, "line": gate.place.line, "checks": list(&gate.checks, check) })
}

fn step(step: &Step) -> Value {
    json!({
        "id": step.id,
        "number": step.number,
        "title": step.title,
        "line": step.place.line,
        "caption": step.caption,
        "commands": list(&step.commands, command),
        "groups": list(&step.groups, group),
        "poll": step.poll.as_ref().map(|poll| json!({ "roles": poll.roles })),
        "called": step.called.as_ref().map(|called| json!({
            "path": called.path,
            "name": called.name,
            "file": called.file,
            "from": called.from,
            "depth": called.depth,
            "bound": called.bound.iter().map(|(name, bound)| (name.clone(), json!(bound.to_string()))).collect::<serde_json::Map<_, _>>(),
        })),
        "soak": step.soak.map(|soak| json!({ "min_s": soak.min_s, "max_s": soak.max_s })),
    })
}

fn command(command: &Command) -> Value {
    json!({
        "id": command.id,
        "line": command.place.line,
        "language": command.language,
        "caption": command.caption,
        "kind": command.kind,
        "class": command.class,
        "settling": command.settling.as_ref().map(|it| json!({ "block": it.block, "said": it.ruling })),
        "warnings": command.warnings,
        "text": command.text,
        "choices": list(&command.choices, |choice| json!({ "label": choice.label, "text": choice.text })),
    })
}

fn group(group: &Group) -> Value {
    json!({ "title": group.title, "timebox_s": group.timebox_s, "checks": list(&group.checks, check) })
}

fn check(check: &Check) -> Value {
    json!({
        "id": check.id,
        "line": check.place.line,
        "text": check.text,
        "optional": check.optional,
        "owners": check.owners,
        "answered_by": check.annotated.gate.as_ref().map(ToString::to_string),
        "hold": check.annotated.hold,
    })
}

fn annotation(applied: &Applied) -> Value {
    json!({
        "line": applied.place.line,
        "column": applied.place.column,
        "text": applied.text,
        "about_line": applied.about.line,
        "weakens": applied.weakens,
        "instead_of": applied.instead_of,
    })
}

fn criterion(criterion: &Criterion) -> Value {
    let (kind, metric, operator, value, unit) = match &criterion.kind {
        CriterionKind::Threshold { metric, operator, value, unit } => {
            ("threshold", json!(metric), json!(operator), json!(value), json!(unit))
        }
        CriterionKind::Ratio { metric, operator, factor } => {
            ("ratio", json!(metric), json!(operator), json!(factor), json!("x baseline"))
        }
        CriterionKind::Declared => ("declared", Value::Null, Value::Null, Value::Null, Value::Null),
    };
    json!({
        "text": criterion.text,
        "kind": kind,
        "metric": metric,
        "operator": operator,
        "value": value,
        "unit": unit,
    })
}

fn known_error(known: &KnownError) -> Value {
    json!({ "error": known.error, "cause": known.cause, "solution": known.solution, "links": known.links })
}

fn escalation(line: &Escalation) -> Value {
    json!({ "trigger": line.trigger, "roles": line.roles, "actions": line.actions })
}

fn diagnostic(found: &Diagnostic) -> Value {
    json!({
        "severity": found.severity,
        "code": found.code,
        "line": found.place.line,
        "column": found.place.column,
        "message": found.message,
        "help": found.help,
        "related": list(&found.related, place),
    })
}
