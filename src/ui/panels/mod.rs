//! The panes and panels, one file each. A panel with a fixed text is a [`Sheet`]: its lines for the
//! width it gets; what scrolls without bound draws its visible rows itself.

pub mod banner;
pub mod checklist;
pub mod closing;
pub mod doubt;
pub mod escalation;
pub mod evidence;
pub mod footer;
pub mod help;
pub mod known;
pub mod lists;
pub mod lock;
pub mod logs;
pub mod order;
pub mod output;
pub mod own_log;
pub mod past;
pub mod policy;
pub mod poll;
pub mod reload;
pub mod report;
pub mod rollback;
pub mod rollback_line;
pub mod rollout;
pub mod run;
pub mod sheet;
pub mod signals;
pub mod start;
pub mod status;
pub mod terminal;
pub mod themes;
pub mod unclear;

pub use sheet::Sheet;
