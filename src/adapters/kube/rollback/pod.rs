//! The one pod that holds a StatefulSet's way back.

use std::time::Instant;

use kube::api::{DeleteParams, Preconditions};

use super::WayBack;
use super::fire::millis;
use crate::adapters::kube::error::{Cause, KubeError};
use crate::adapters::kube::objects::Pod;
use crate::release::Blocker;

impl WayBack<'_> {
    /// Deletes this pod, and no other that has its name by now.
    ///
    /// - Shape: how long it took in milliseconds; `None` when that pod is gone already.
    pub async fn delete_pod(&self, blocker: &Blocker) -> Result<Option<u64>, KubeError> {
        let began = Instant::now();
        let what = format!("delete pod {}", blocker.pod);
        let same = Preconditions { uid: Some(blocker.uid.clone()), resource_version: None };
        let params = DeleteParams { preconditions: Some(same), ..DeleteParams::default() };
        match self.place.call(&what, self.api::<Pod>().delete(&blocker.pod, &params)).await {
            Ok(_) => Ok(Some(millis(began))),
            Err(error) => match error.cause() {
                Some(Cause::NotFound | Cause::Conflict) => Ok(None),
                _ => Err(error),
            },
        }
    }
}
