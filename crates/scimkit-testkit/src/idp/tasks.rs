//! The tasks of a cycle: one user, one group, or some of the members of a group.

use serde_json::Value;

use super::{
    attributes::{WantedValues, member, text_member},
    courier::{Answer, GivenUp, Task, Trouble},
    dialect::Update,
    directory::Team,
    requests::{Call, Member, page},
};

/// Resources on a page of a list.
const PAGE: usize = 100;

/// Creates a user, or changes it into what is wanted, and returns its id.
pub(super) async fn synchronise_user(
    mut task: Task<'_>,
    mut id: Option<String>,
    user_name: &str,
    wanted: &WantedValues,
) -> Result<String, GivenUp> {
    loop {
        match try_user(&mut task, &mut id, user_name, wanted).await {
            Ok(id) => return Ok(id),
            Err(trouble) => task.recover(trouble).await?,
        }
    }
}

async fn try_user(
    task: &mut Task<'_>,
    id: &mut Option<String>,
    user_name: &str,
    wanted: &WantedValues,
) -> Result<String, Trouble> {
    let dialect = task.dialect();
    let mut user = None;
    if let Some(known) = &*id {
        let answer = task.send(dialect.read_user(known), &[404]).await?;
        user = (answer.status != 404).then_some(answer.body);
    }
    if user.is_none() {
        // The user was never linked, or is gone.
        *id = None;
        let answer = task.send(dialect.find_user(user_name), &[]).await?;
        user = the_one(&answer, "userName", user_name)?;
    }
    let Some(mut user) = user else {
        let password = task.random();
        let answer = task
            .send(dialect.create_user(wanted, password), &[])
            .await?;
        return id_of(&answer.body);
    };
    let found = id_of(&user)?;
    if id.is_none() && matches!(dialect.update, Update::PutMerged | Update::PutTemplate) {
        user = task.send(dialect.read_user(&found), &[]).await?.body;
    }
    *id = Some(found.clone());
    for call in dialect.update_user(&found, &user, wanted) {
        task.send(call, &[]).await?;
    }
    Ok(found)
}

/// Deletes a user or group.
pub(super) async fn delete(mut task: Task<'_>, endpoint: &str, id: &str) -> Result<(), GivenUp> {
    loop {
        match task.send(Call::delete(endpoint, id), &[404]).await {
            Ok(_) => return Ok(()),
            Err(trouble) => task.recover(trouble).await?,
        }
    }
}

/// Creates or renames a group, and returns its id and whether it is new.
pub(super) async fn synchronise_group(
    mut task: Task<'_>,
    mut id: Option<String>,
    known_name: Option<String>,
    team: &Team,
) -> Result<(String, bool), GivenUp> {
    let mut name = known_name;
    loop {
        match try_group(&mut task, &mut id, &mut name, team).await {
            Ok(done) => return Ok(done),
            Err(trouble) => task.recover(trouble).await?,
        }
    }
}

async fn try_group(
    task: &mut Task<'_>,
    id: &mut Option<String>,
    name: &mut Option<String>,
    team: &Team,
) -> Result<(String, bool), Trouble> {
    let dialect = task.dialect();
    if id.is_none() {
        let found = match dialect.find_group(&team.name) {
            Some(call) => the_one(&task.send(call, &[]).await?, "displayName", &team.name)?,
            None => listed_group(task, &team.name).await?,
        };
        let Some(group) = found else {
            let answer = task.send(dialect.create_group(team), &[]).await?;
            return Ok((id_of(&answer.body)?, true));
        };
        *id = Some(id_of(&group)?);
        *name = text_member(&group, "displayName").map(str::to_owned);
    }
    let found = id.clone().unwrap_or_default();
    if name.as_deref() != Some(team.name.as_str()) {
        task.send(dialect.rename_group(&found, &team.name), &[])
            .await?;
    }
    Ok((found, false))
}

async fn listed_group(task: &mut Task<'_>, name: &str) -> Result<Option<Value>, Trouble> {
    let mut found = None;
    list(task, "/Groups", &mut |group| {
        if text_member(group, "displayName") == Some(name) {
            found = Some(group.clone());
        }
    })
    .await
    .map_err(|given_up| match given_up {
        GivenUp::Rejected(reason) => Trouble::unusable(reason),
        GivenUp::Quarantined | GivenUp::Stopped => Trouble::Stopped,
    })?;
    Ok(found)
}

/// Changes of the members of one group in one request.
#[derive(Debug, Clone)]
pub(super) enum MemberChange {
    Some {
        add: Vec<Member>,
        remove: Vec<Member>,
    },
    Replace(Vec<Member>),
}

/// Changes members of a group.
pub(super) async fn change_members(
    mut task: Task<'_>,
    group: &str,
    change: &MemberChange,
) -> Result<(), GivenUp> {
    loop {
        let call = match change {
            MemberChange::Replace(members) => task.dialect().replace_members(group, members),
            MemberChange::Some { add, remove } => task.dialect().change_members(group, add, remove),
        };
        match task.send(call, &[]).await {
            Ok(_) => return Ok(()),
            Err(Trouble::Rejected { status: 400, .. }) if task.is_repeated => {
                // A member that was removed by the request whose answer was lost can't be removed again.
                return Ok(());
            }
            Err(trouble) => task.recover(trouble).await?,
        }
    }
}

/// Reads a list page by page, as an import does.
pub(super) async fn list(
    task: &mut Task<'_>,
    endpoint: &str,
    see: &mut (dyn FnMut(&Value) + Send),
) -> Result<ListCounts, GivenUp> {
    let (mut start, mut seen) = (1, 0);
    loop {
        let page = match task.send(Call::get(page(endpoint, start, PAGE)), &[]).await {
            Ok(answer) => answer.body,
            Err(trouble) => {
                task.recover(trouble).await?;
                continue;
            }
        };
        task.progress();
        let number = |name| {
            let number = member(&page, name).and_then(Value::as_u64);
            number.and_then(|number| usize::try_from(number).ok())
        };
        let Some(total) = number("totalResults") else {
            let reason = format!("GET {endpoint}: the list has no `totalResults`");
            return Err(GivenUp::Rejected(reason));
        };
        let resources = resources(&page);
        resources.iter().for_each(&mut *see);
        seen += resources.len();
        start += number("itemsPerPage").unwrap_or(PAGE).max(resources.len());
        if resources.is_empty() || start > total {
            return Ok(ListCounts { seen, total });
        }
    }
}

/// The size of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListCounts {
    pub(super) seen: usize,
    pub(super) total: usize,
}

fn resources(list: &Value) -> &[Value] {
    let resources = member(list, "Resources").and_then(Value::as_array);
    resources.map_or(&[], Vec::as_slice)
}

/// Returns the resource that a search found, if any.
fn the_one(answer: &Answer, attribute: &str, value: &str) -> Result<Option<Value>, Trouble> {
    match resources(&answer.body) {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        several => Err(Trouble::unusable(format!(
            "{} resources match `{attribute} eq {}`",
            several.len(),
            Value::from(value)
        ))),
    }
}

fn id_of(resource: &Value) -> Result<String, Trouble> {
    let id = text_member(resource, "id").map(str::to_owned);
    id.ok_or_else(|| Trouble::unusable("a resource in a response has no `id`".to_owned()))
}
