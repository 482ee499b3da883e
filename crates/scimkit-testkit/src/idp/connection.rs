//! The requests with which an identity provider tests a connection.

use std::collections::BTreeSet;

use fastrand::Rng;
use uuid::Uuid;

use super::{
    attributes::wanted,
    courier::{Courier, GivenUp},
    directory::{Directory, Presence, Team, mix},
    requests::{Call, Member},
    tasks::{MemberChange, change_members, delete, synchronise_group, synchronise_user},
};

/// Sends the requests with which the identity provider tests a connection.
pub(super) async fn test_connection(courier: &Courier<'_>, round: u32) -> Result<(), String> {
    let mut rng = Rng::with_seed(mix(courier.seed, &[5, round.into()]));
    let mut task = courier.reader();
    for path in courier.dialect.test {
        let guid = Uuid::from_u64_pair(rng.u64(..), rng.u64(..)).to_string();
        let path = path.replace("{guid}", &guid);
        loop {
            match task.send(Call::get(&path), &[]).await {
                Ok(answer) if answer.body.get("totalResults").is_some() => break,
                Ok(_) => return Err(format!("GET {path}: the response is not a list")),
                Err(trouble) => match task.recover(trouble).await {
                    Ok(()) => {}
                    Err(GivenUp::Rejected(reason)) => return Err(reason),
                    Err(GivenUp::Quarantined | GivenUp::Stopped) => return Ok(()),
                },
            }
        }
    }
    Ok(())
}

/// Creates, changes and deletes a user and a group, as JumpCloud does when a connection is activated.
pub(super) async fn activate(courier: &Courier<'_>, directory: &Directory) -> Result<(), String> {
    try_activate(courier, directory)
        .await
        .or_else(|given_up| match given_up {
            GivenUp::Rejected(reason) => Err(reason),
            GivenUp::Quarantined | GivenUp::Stopped => Ok(()),
        })
}

async fn try_activate(courier: &Courier<'_>, directory: &Directory) -> Result<(), GivenUp> {
    let (mapping, nobody) = (courier.dialect.mapping, Default::default());
    let mut person = directory.tester();
    let name = person.user_name.clone();
    let values = wanted(mapping, &person, &nobody);
    let user = synchronise_user(courier.reader(), None, &name, &values).await?;
    person.given = "Renamed".to_owned();
    let values = wanted(mapping, &person, &nobody);
    synchronise_user(courier.reader(), Some(user.clone()), &name, &values).await?;

    let team = Team {
        members: BTreeSet::new(),
        name: format!("Test Group of {name}"),
        object: person.object.clone(),
    };
    let (group, _) = synchronise_group(courier.reader(), None, None, &team).await?;
    let member = Member {
        id: user.clone(),
        key: 0,
        user_name: name.clone(),
    };
    let change = MemberChange::Some {
        add: vec![member],
        remove: Vec::new(),
    };
    change_members(courier.reader(), &group, &change).await?;
    delete(courier.reader(), "/Groups", &group).await?;

    person.state = Presence::Left(0);
    let values = wanted(mapping, &person, &nobody);
    synchronise_user(courier.reader(), Some(user.clone()), &name, &values).await?;
    delete(courier.reader(), "/Users", &user).await
}
