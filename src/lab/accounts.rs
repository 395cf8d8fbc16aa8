//! The machine's accounts, as far as `/etc/passwd` and `/etc/group` know them.

use std::cell::LazyCell;
use std::fs;

/// The two files, read once.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    /// The accounts of this machine; those that other sources (LDAP, SSSD)
    /// know are not among them.
    pub fn read() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            passwd: text("/etc/passwd"),
            group: text("/etc/group"),
        }
    }

    /// The same, read only when something is asked of them.
    pub fn when_asked() -> LazyCell<Self> {
        LazyCell::new(Self::read)
    }

    /// A user for people: `bob` (uid 1001), or only the number.
    pub fn user(&self, uid: u32) -> String {
        match self.name(uid) {
            Some(name) => format!("`{name}` (uid {uid})"),
            None => format!("uid {uid}"),
        }
    }

    /// A group for people: `staff`, or only the number.
    pub fn group(&self, gid: u32) -> String {
        match entry(&self.group, gid) {
            Some((name, _)) => format!("group `{name}`"),
            None => format!("group {gid}"),
        }
    }

    /// Whether nobody but this user is in that group: it has the user's number
    /// and name, no members, and is no other account's first group. A group
    /// that the files do not know may have any members.
    pub(super) fn is_private(&self, gid: u32, uid: u32) -> bool {
        let (Some(user), Some((group, members))) = (self.name(uid), entry(&self.group, gid)) else {
            return false;
        };
        let mut members = members.split(',').map(str::trim);
        let mut others = accounts(&self.passwd).filter(|account| account.0 != user);
        gid == uid
            && group == user
            && members.all(|member| member.is_empty() || member == user)
            && !others.any(|(_, other, first)| other == uid || first == gid)
    }

    fn name(&self, uid: u32) -> Option<&str> {
        let mut found = accounts(&self.passwd).filter(|account| account.1 == uid);
        found.next().map(|(name, ..)| name)
    }
}

/// Name, uid and first group of each account.
fn accounts(passwd: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some((name, uid, gid))
    })
}

/// Name and members of a group.
fn entry(group: &str, gid: u32) -> Option<(&str, &str)> {
    group.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == gid).then(|| (name, fields.next().unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0:root:/root:/bin/bash\n\
                     ann:x:1000:1000::/home/ann:/bin/bash\n\
                     bob:x:1001:1001::/home/bob:/bin/bash\n\
                     guest:x:1002:1001::/:/bin/false\n\
                     twin:x:1003:1003::/:/bin/false\n\
                     broken\n"
                .to_owned(),
            group: "root:x:0:\n\
                    ann:x:1000:ann\n\
                    bob:x:1001:\n\
                    twin:x:1003:ann\n\
                    staff:x:50:ann,bob\n\
                    odd:x:1002:\n"
                .to_owned(),
        }
    }

    #[test]
    fn a_group_is_private_when_nobody_else_is_in_it() {
        let accounts = accounts();
        assert!(accounts.is_private(1000, 1000), "names its user only");
        assert!(accounts.is_private(0, 0));
        for (gid, uid, why) in [
            (1001, 1001, "first group of another account"),
            (1003, 1003, "has another member"),
            (1002, 1002, "has another name than its user"),
            (50, 1000, "has another number than its user"),
            (1000, 1001, "of another user"),
            (4000, 4000, "not known"),
        ] {
            assert!(!accounts.is_private(gid, uid), "{why}");
        }
    }

    #[test]
    fn users_and_groups_are_named_where_they_are_known() {
        let accounts = accounts();
        assert_eq!(accounts.user(1001), "`bob` (uid 1001)");
        assert_eq!(accounts.user(4000), "uid 4000");
        assert_eq!(accounts.group(50), "group `staff`");
        assert_eq!(accounts.group(4000), "group 4000");
    }
}
