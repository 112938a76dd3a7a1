//! What was said before: played back on joining, asked for by CHATHISTORY, and how far it was read.

use std::sync::Arc;

use nightjar_node::message::Message;

use crate::irc::caps::Cap;
use crate::irc::feed;
use crate::irc::hub::{Hub, Said};
use crate::irc::line::Line;
use crate::irc::session::Session;
use crate::irc::show;

/// Messages that one CHATHISTORY gives.
pub(in crate::irc) const HISTORY_MAX: usize = 200;
/// Unread messages that are played back on joining.
const PLAYBACK_MAX: usize = 100;

/// Who was heard lately in a channel that a client enters is listed there from the start.
pub(super) async fn seed(_hub: &Hub, _folded: &str) {}

pub(super) async fn tell_read(_session: &mut Session, _typed: &str, _folded: &str) {}

/// Plays back what is unread in a channel, to clients that cannot ask for it themselves.
pub(super) async fn play_back(_session: &mut Session, _typed: &str, _folded: &str) {}

/// The same of what persons wrote.
pub(super) async fn play_back_people(_session: &mut Session) {}

pub(super) async fn chathistory(_session: &mut Session, _line: &Line) {}

pub(super) async fn markread(_session: &mut Session, _line: &Line) {}
