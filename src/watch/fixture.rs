//! A container and a pod that are up, for tests to change what they are about.

use super::{ContainerFacts, ContainerState, PodFacts};

pub(crate) fn container(name: &str) -> ContainerFacts {
    ContainerFacts {
        name: name.into(),
        init: false,
        container_id: "c".into(),
        image_id: String::new(),
        ready: true,
        started: true,
        restarts: 0,
        state: ContainerState::Running { since: None },
        last_end: None,
        readiness: None,
        startup: None,
    }
}

/// With one container, `app`; of no revision, on no node, and of no known age.
pub(crate) fn pod(name: &str) -> PodFacts {
    PodFacts {
        name: name.into(),
        uid: format!("uid-{name}"),
        revision: None,
        phase: "Running".into(),
        reason: None,
        ready: true,
        ready_since: None,
        created: None,
        ending: false,
        node: None,
        node_trouble: None,
        unschedulable: None,
        containers: vec![container("app")],
    }
}
