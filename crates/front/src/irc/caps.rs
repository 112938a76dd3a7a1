//! What a client and the gateway can agree on beyond RFC 1459: IRCv3's capabilities.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Cap {
    AccountTag,
    AwayNotify,
    Batch,
    NewsOfCaps,
    EchoMessage,
    ExtendedJoin,
    LabeledResponse,
    MessageTags,
    MultiPrefix,
    Sasl,
    ServerTime,
    Setname,
    StandardReplies,
    UserhostInNames,
    ChatHistory,
    Multiline,
    ReadMarker,
}

/// Bytes of the text of one message that a client may send in a batch `draft/multiline`.
pub(super) const MULTILINE_BYTES_MAX: usize = 16_384;
/// Lines of it.
pub(super) const MULTILINE_LINES_MAX: usize = 200;

impl Cap {
    const ALL: [Self; 17] = [
        Self::AccountTag,
        Self::AwayNotify,
        Self::Batch,
        Self::NewsOfCaps,
        Self::EchoMessage,
        Self::ExtendedJoin,
        Self::LabeledResponse,
        Self::MessageTags,
        Self::MultiPrefix,
        Self::Sasl,
        Self::ServerTime,
        Self::Setname,
        Self::StandardReplies,
        Self::UserhostInNames,
        Self::ChatHistory,
        Self::Multiline,
        Self::ReadMarker,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::AccountTag => "account-tag",
            Self::AwayNotify => "away-notify",
            Self::Batch => "batch",
            Self::NewsOfCaps => "cap-notify",
            Self::EchoMessage => "echo-message",
            Self::ExtendedJoin => "extended-join",
            Self::LabeledResponse => "labeled-response",
            Self::MessageTags => "message-tags",
            Self::MultiPrefix => "multi-prefix",
            Self::Sasl => "sasl",
            Self::ServerTime => "server-time",
            Self::Setname => "setname",
            Self::StandardReplies => "standard-replies",
            Self::UserhostInNames => "userhost-in-names",
            Self::ChatHistory => "draft/chathistory",
            Self::Multiline => "draft/multiline",
            Self::ReadMarker => "draft/read-marker",
        }
    }

    fn value(self) -> Option<String> {
        match self {
            Self::Sasl => Some("PLAIN".to_owned()),
            Self::Multiline => Some(format!("max-bytes={MULTILINE_BYTES_MAX},max-lines={MULTILINE_LINES_MAX}")),
            _ => None,
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cap| cap.name() == name)
    }
}

/// Those that are in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Caps(u32);

impl Caps {
    pub(super) const fn has(self, cap: Cap) -> bool {
        self.0 & 1 << cap as u8 != 0
    }

    pub(super) const fn add(&mut self, cap: Cap) {
        self.0 |= 1 << cap as u8;
    }

    const fn remove(&mut self, cap: Cap) {
        self.0 &= !(1 << cap as u8);
    }

    /// Their names.
    pub(super) fn list(self) -> String {
        let names = Cap::ALL.into_iter().filter(|cap| self.has(*cap)).map(Cap::name);
        names.collect::<Vec<_>>().join(" ")
    }

    /// With all of a wish granted, or `None` when something of it is not known.
    pub(super) fn with(mut self, wish: &str) -> Option<Self> {
        for name in wish.split_ascii_whitespace() {
            match name.strip_prefix('-') {
                Some(name) => self.remove(Cap::of_name(name)?),
                None => self.add(Cap::of_name(name)?),
            }
        }
        Some(self)
    }
}

/// All that there is, with values for those clients that know of them (version 302).
pub(super) fn offered(with_values: bool) -> String {
    let offer = |cap: Cap| match cap.value().filter(|_| with_values) {
        Some(value) => format!("{}={value}", cap.name()),
        None => cap.name().to_owned(),
    };
    Cap::ALL.into_iter().map(offer).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn a_wish_is_granted_as_a_whole_or_not_at_all() {
        let caps = Caps::default().with("server-time echo-message").unwrap();
        assert!(caps.has(Cap::ServerTime) && caps.has(Cap::EchoMessage) && !caps.has(Cap::Batch));
        assert_eq!(caps.with("batch nosuchcap"), None);
        let fewer = caps.with("-echo-message batch").unwrap();
        assert_eq!(fewer.list(), "batch server-time");
        assert_eq!(caps.with("-nosuchcap"), None);
    }

    #[test]
    fn every_capability_is_known_by_its_name_and_stands_at_its_place() {
        for (number, cap) in Cap::ALL.into_iter().enumerate() {
            assert_eq!(cap as usize, number);
            assert_eq!(Cap::of_name(cap.name()), Some(cap));
        }
    }

    #[test]
    fn values_are_for_those_who_know_of_them_and_the_list_fits_one_line() {
        assert!(offered(true).contains("sasl=PLAIN") && !offered(false).contains('='));
        assert!(offered(true).len() < 450);
    }
}
