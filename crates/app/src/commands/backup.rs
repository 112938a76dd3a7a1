//! `nightjar backup` and `restore`: copies of what cannot be made anew.

use std::path::{Path, PathBuf};

use nightjar_node::backup;

use crate::exit::Failure;
use crate::output;

const BACKUP_HELP: &str = "\
The folder gets the store as it is at one moment, the chat keys, the node key and the settings. It is as secret as the data directory:
chat keys without a passphrase and what is derived from the passphrases of channels lie in it in the clear.";

#[derive(Debug, clap::Args)]
#[command(after_help = BACKUP_HELP)]
pub(super) struct Backup {
    /// A folder that is not there yet
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

const RESTORE_HELP: &str = "\
The data directory may not hold a store or keys: `--data-dir` names another one, or move them away. Do not let two nodes run with the
same chat keys from one backup: what is said at one is not known at the other.";

#[derive(Debug, clap::Args)]
#[command(after_help = RESTORE_HELP)]
pub(super) struct Restore {
    /// The folder of a backup
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

pub(super) fn backup(data_dir: &Path, args: &Backup) -> Result<(), Failure> {
    if output::at_terminal() {
        output::note("nightjar: the store is copied; a large one takes a while");
    }
    let copied = backup::backup(data_dir, &args.folder).map_err(Failure::failed)?;
    Ok(output::print(&format!("{:?} written: {}\n", args.folder, copied.join(", ")))?)
}

pub(super) fn restore(data_dir: &Path, args: &Restore) -> Result<(), Failure> {
    if output::at_terminal() {
        output::note("nightjar: the store is looked at and copied; a large one takes a while");
    }
    let copied = backup::restore(&args.folder, data_dir).map_err(Failure::failed)?;
    Ok(output::print(&format!("{data_dir:?} restored: {}\n", copied.join(", ")))?)
}
