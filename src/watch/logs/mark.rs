//! What happened to a stream, in words that stand between its lines.

use crate::watch::LogMark;

/// What a line is, beside text that a container wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowMark {
    Opened,
    Reopened,
    Ended,
    Retrying,
    Lost,
    Restarted,
    /// Some pods have no stream.
    Unfollowed,
    /// Drawn by the operator or by the release, such as at a step's boundary.
    Note,
}

impl RowMark {
    pub(super) fn of(mark: &LogMark) -> Self {
        match mark {
            LogMark::Opened => Self::Opened,
            LogMark::Reopened => Self::Reopened,
            LogMark::Ended { .. } => Self::Ended,
            LogMark::Retrying { .. } => Self::Retrying,
            LogMark::Lost { .. } | LogMark::Unreadable { .. } => Self::Lost,
            LogMark::Restarted { .. } => Self::Restarted,
            LogMark::Unfollowed { .. } => Self::Unfollowed,
        }
    }
}

/// Says what happened. The server's own words in it are not cleaned for a terminal yet.
pub fn words(mark: &LogMark) -> String {
    match mark {
        LogMark::Opened => "stream opened".to_owned(),
        LogMark::Reopened => "stream reopened where it broke off, nothing lost".to_owned(),
        LogMark::Ended { why } => format!("ended: {why}"),
        LogMark::Retrying { why } => format!("stream broke off ({why}), trying again"),
        LogMark::Unreadable { why } => format!("log cannot be read: {why}"),
        LogMark::Lost { lines: 0, why } => format!("lines may be missing: {why}"),
        LogMark::Lost { lines, why } => format!("{lines} lines lost: {why}"),
        LogMark::Restarted { exit_code, reason } => {
            let code = exit_code.map(|code| format!(" exit {code}")).unwrap_or_default();
            format!("container restarted: {reason}{code}")
        }
        LogMark::Unfollowed { pods: 0, .. } => "every pod is followed again".to_owned(),
        LogMark::Unfollowed { pods: 1, names } => format!("1 pod is not followed: {names}"),
        LogMark::Unfollowed { pods, names } => format!("{pods} pods are not followed: {names}, …"),
    }
}
