//! What the site's staff may do: the one table of roles and permissions.
//!
//! A member's own things and a channel's own offices (owner, moderator) are no permissions: whose something is, is asked of the
//! database where it is looked up.

use crate::user::Role;

const STAFF: &[Role] = &[Role::Moderator, Role::Admin];
const ADMINS: &[Role] = &[Role::Admin];

/// Makes the enum, its words and the table from one list.
macro_rules! permissions {
    ($($(#[$outer:meta])* $variant:ident = $word:literal for $holders:ident,)+) => {
        /// Something that is not for every member.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Permission { $($(#[$outer])* $variant,)+ }

        impl Permission {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The roles that have it.
            pub const fn holders(self) -> &'static [Role] {
                match self { $(Self::$variant => $holders,)+ }
            }
        }
    };
}

permissions! {
    /// See recordings, streams and clips that are not for everybody; rename and delete such clips.
    SeeHidden = "see_hidden" for STAFF,
    /// Change and delete others' recordings.
    ChangeMedia = "change_media" for STAFF,
    /// Keep order in every channel's chat.
    KeepChats = "keep_chats" for STAFF,
    /// Find members, and see whether they are suspended.
    SeeMembers = "see_members" for STAFF,
    /// Suspend and readmit who stands below oneself.
    SuspendMembers = "suspend_members" for STAFF,
    /// Take emotes from who stands below oneself.
    RemoveEmotes = "remove_emotes" for STAFF,
    /// See and decide what is reported to the site.
    DecideReports = "decide_reports" for STAFF,
    /// See what the staff did about members and reports.
    SeeStaffLog = "see_staff_log" for STAFF,
    /// See what is live, and how well it arrives.
    SeeStreams = "see_streams" for STAFF,
    /// End a stream of who stands below oneself, or take its key away.
    CutStreams = "cut_streams" for STAFF,
    /// See who did what to what, with addresses.
    SeeAudit = "see_audit" for ADMINS,
    /// Turn off the two-factor sign-in of who stands below oneself.
    ResetTwoFactor = "reset_two_factor" for ADMINS,
    /// Give roles and take them.
    SetRoles = "set_roles" for ADMINS,
    /// See and end others' sign-ins.
    EndSignIns = "end_sign_ins" for ADMINS,
    EditCategories = "edit_categories" for ADMINS,
    /// See payments and their proofs, and decide them.
    DecidePayments = "decide_payments" for ADMINS,
    /// See the figures of others' streams.
    SeeAnalytics = "see_analytics" for ADMINS,
    /// Open others' files.
    SeeFiles = "see_files" for ADMINS,
    /// See how the site does: its services, jobs, storage and settings.
    SeeSite = "see_site" for ADMINS,
    /// Pause queues; run, retry and cancel jobs.
    RunJobs = "run_jobs" for ADMINS,
}

impl Permission {
    /// The roles that have it as the database writes them.
    pub fn role_names(self) -> Vec<String> {
        self.holders().iter().map(|role| role.as_str().to_owned()).collect()
    }
}

impl Role {
    pub fn may(self, permission: Permission) -> bool {
        permission.holders().contains(&self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn members_have_none_and_administrators_have_all() {
        for permission in Permission::ALL {
            assert!(!Role::User.may(*permission), "{permission:?}");
            assert!(Role::Admin.may(*permission), "{permission:?}");
        }
    }

    #[test]
    fn no_two_permissions_have_one_name() {
        let names: BTreeSet<_> = Permission::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(names.len(), Permission::ALL.len());
    }
}
