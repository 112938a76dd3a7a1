//! An account as a PascalCoin node tells it. Says nothing about whether that node can be trusted.

/// A PascalCoin network: which magic, ports and ALPN a node uses, and what signatures are bound to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Network {
    /// The main network, byte 0.
    #[default]
    Main,
    /// The test network, byte 1.
    Test,
}

impl Network {
    /// The byte that stands for it in frames and signatures.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Main => 0,
            Self::Test => 1,
        }
    }

    /// Its name in settings, logs and RPC.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Test => "test",
        }
    }
}

/// What one node answered when it was asked for a run of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountsAnswer {
    /// The number of the last block the node has; `None` when it has no blocks.
    pub block: Option<u32>,
    /// The accounts, in ascending order of their number.
    pub accounts: Vec<AccountState>,
}

/// One account, with operations that wait in the node's pool already applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// Its number.
    pub number: u32,
    /// Normal, listed for sale, or in a swap.
    pub status: AccountStatus,
    /// The owner's public key, in PascalCoin's raw form.
    pub key: Vec<u8>,
    /// Balance in 1/10000 coin.
    pub balance: u64,
    /// Block of the last change made by somebody else's operation.
    pub updated_passive: u32,
    /// Block of the last operation it signed; `None` in the older record form.
    pub updated_active: Option<u32>,
    /// How many operations it has signed.
    pub n_operation: u32,
    /// Its name: 0 or 3..64 bytes.
    pub name: Vec<u8>,
    /// A number its owner is free to choose.
    pub account_type: u16,
    /// 0..32 bytes its owner is free to choose.
    pub data: Vec<u8>,
    /// Changes with every operation that touches the account; empty in the older record form.
    pub seal: Vec<u8>,
}

/// What may happen to an account next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// Nothing.
    Normal,
    /// It is listed: for sale, for an atomic account swap or an atomic coin swap.
    Listed(Listing),
}

/// An account that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// For what it is offered.
    pub kind: ListingKind,
    /// The owner cannot sign with it while this block is not yet reached; 0 = not locked.
    pub locked_until: u32,
    /// Price, or amount to swap, in 1/10000 coin.
    pub price: u64,
    /// The account to pay.
    pub pay_to: u32,
    /// The raw key of the only buyer; the null key when anyone can buy.
    pub new_key: Vec<u8>,
    /// SHA-256 of the secret; empty in a sale.
    pub hashed_secret: Vec<u8>,
}

/// For what an account is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingKind {
    /// For a price.
    Sale,
    /// Atomic account swap.
    AccountSwap,
    /// Atomic coin swap.
    CoinSwap,
}
