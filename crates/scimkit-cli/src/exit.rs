//! Exit codes and the texts of `--help` that list them. `docs/command-line.md` has all of them in one table.

use std::process::ExitCode;

/// Something does not hold: a requirement, a scenario or a mapping; or the store rejected the command.
pub(crate) const FAILED: u8 = 1;
/// The command could not run: its arguments, a file, the store or the server can't be used.
pub(crate) const UNUSABLE: u8 = 2;
/// A filter does not bind, or a replay passed without running every scenario.
pub(crate) const INCOMPLETE: u8 = 3;
/// The schema of `scimkit filter` can't be used.
pub(crate) const NO_SCHEMA: u8 = 4;

pub(crate) const GENERAL: &str = "\
Exit status:
  0  success
  1  something does not hold, or the command was rejected
  2  invalid arguments, or a file, store or server can't be used
  3  a filter does not bind, or not every scenario could run
`scimkit COMMAND --help` has the details of each command.";

pub(crate) const CHECK: &str = "\
Exit status:
  0  every requirement of the level that could be checked holds
  1  a requirement of the level does not hold
  2  nothing could be checked";

pub(crate) const DOCTOR: &str = "\
Exit status:
  0  nothing was found, or only hints
  1  there are errors or warnings, or the mapping has problems
  2  invalid arguments, or the database or a file can't be used";

pub(crate) const FILTER: &str = "\
Exit status:
  0  the filter is valid and binds
  2  the filter is invalid
  3  the filter is valid but does not bind
  4  the schema can't be used";

pub(crate) const IDP: &str = "\
Exit status:
  0  the server never differed from what was sent
  1  the server differed, rejected a request, or made the identity provider give up
  2  invalid arguments, the server can't be used, or the simulation was stopped";

pub(crate) const INIT: &str = "\
Exit status:
  0  done, perhaps with warnings
  2  invalid arguments, or the database or table can't be used";

pub(crate) const MAPPING_CHECK: &str = "\
Exit status:
  0  no problems, perhaps warnings
  1  the mapping has problems
  2  a file can't be used";

pub(crate) const MAPPING_EXPLAIN: &str = "\
Exit status:
  0  the resource would be created
  1  the mapping rejects the resource, or has problems
  2  a file can't be used";

pub(crate) const REPLAY: &str = "\
Exit status:
  0  every scenario of the mode passed
  1  a scenario failed
  2  no scenario ran
  3  every scenario that ran passed, but some require what the server lacks";

pub(crate) const STORE: &str = "\
Exit status:
  0  done
  1  rejected, or not found
  2  invalid arguments, or the store or a file can't be used";

pub(crate) const WRITE: &str = "\
Exit status:
  0  done
  2  the output can't be written";

/// The exit code of what is 0 if it holds.
pub(crate) fn code(holds: bool, otherwise: u8) -> ExitCode {
    if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(otherwise)
    }
}
