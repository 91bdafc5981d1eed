//! `group list|describe|reset-offsets|delete`: what Kafka's own kafka-consumer-groups does.

use std::collections::BTreeMap;

use millstream_client::admin::{Admin, GroupDescription, OffsetSpec};
use millstream_client::{CommittedOffset, Isolation, TopicPartition};
use serde_json::json;

use super::Failure;
use super::cluster::{ClusterArguments, block_on};
use super::output::Output;
use super::topic::fail_with;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    cluster: ClusterArguments,
    /// One JSON value a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Action {
    /// List groups.
    List {
        /// Only groups in this state, such as Stable or Empty.
        #[arg(long)]
        state: Vec<String>,
    },
    /// Show members, offsets and lag.
    Describe {
        #[arg(required = true, value_name = "GROUP")]
        groups: Vec<String>,
    },
    /// Show where offsets would go, and with --execute put them there. The group must have no members.
    ResetOffsets(Reset),
    /// Delete groups without members, and their offsets.
    Delete {
        #[arg(required = true, value_name = "GROUP")]
        groups: Vec<String>,
    },
}

#[derive(clap::Args)]
struct Reset {
    #[arg(value_name = "GROUP")]
    group: String,
    /// A topic, or a partition of it as topic:0; all that the group has offsets for without it.
    #[arg(long = "topic", value_name = "TOPIC[:PARTITION]")]
    topics: Vec<String>,
    #[command(flatten)]
    target: Target,
    /// Do it; without this the plan is only shown.
    #[arg(long)]
    execute: bool,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// To the first record there is.
    #[arg(long)]
    to_earliest: bool,
    /// To the end.
    #[arg(long)]
    to_latest: bool,
    /// To this offset, moved into what there is.
    #[arg(long, value_name = "N")]
    to_offset: Option<i64>,
    /// To the first record at or after this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    to_time: Option<String>,
    /// By this many records, backwards if negative.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    shift_by: Option<i64>,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let output = Output::new(arguments.json);
    block_on(async move {
        let admin = arguments.cluster.connect().await?.admin();
        match arguments.action {
            Action::List { state } => list_groups(&admin, &state, output).await,
            Action::Describe { groups } => {
                for group in &groups {
                    describe_group(&admin, group, output).await?;
                }
                Ok(())
            }
            Action::ResetOffsets(reset) => reset_offsets(&admin, &reset, output).await,
            Action::Delete { groups } => delete_groups(&admin, &groups, output).await,
        }
    })
}

async fn list_groups(admin: &Admin, states: &[String], output: Output) -> Result<(), Failure> {
    let asked: Vec<&str> = states.iter().map(String::as_str).collect();
    let groups = admin.list_groups(&asked).await.map_err(Failure::failed)?;
    if output.json {
        for group in &groups {
            output.value(&json!({
                "group": group.group_id,
                "state": group.state,
                "type": group.group_type,
                "protocol_type": group.protocol_type,
            }))?;
        }
        return Ok(());
    }
    let rows: Vec<Vec<String>> = groups
        .into_iter()
        .map(|group| vec![group.group_id, group.state, group.group_type, group.protocol_type])
        .collect();
    output.table(&["group", "state", "type", "protocol"], &rows)
}

/// One partition of a group: where it is, where it ends, and who reads it.
struct Progress {
    place: TopicPartition,
    committed: Option<i64>,
    end: Option<i64>,
    member: Option<String>,
}

impl Progress {
    fn lag(&self) -> Option<i64> {
        Some((self.end? - self.committed?).max(0))
    }
}

async fn describe_group(admin: &Admin, group: &str, output: Output) -> Result<(), Failure> {
    let description = admin.describe_group(group).await.map_err(Failure::failed)?;
    if description.state == "Dead" {
        return Err(Failure::failed(format!("group \"{group}\" does not exist")));
    }
    let progress = progress_of(admin, &description).await?;
    if output.json {
        return output.value(&group_json(&description, &progress));
    }
    let members = description.members.len();
    output.line(&format!(
        "group {group}  state {}  members {members}  {}",
        description.state, description.assignor
    ))?;
    let shown = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let rows: Vec<Vec<String>> = progress
        .iter()
        .map(|part| {
            vec![
                part.place.topic.to_string(),
                part.place.partition.to_string(),
                shown(part.committed),
                shown(part.end),
                shown(part.lag()),
                part.member.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        })
        .collect();
    output.table(&["topic", "partition", "offset", "end", "lag", "member"], &rows)
}

fn group_json(description: &GroupDescription, progress: &[Progress]) -> serde_json::Value {
    let members: Vec<serde_json::Value> = description
        .members
        .iter()
        .map(|member| {
            json!({
                "member_id": member.member_id,
                "instance_id": member.instance_id,
                "client_id": member.client_id,
                "host": member.client_host,
                "partitions": member.partitions.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        })
        .collect();
    let partitions: Vec<serde_json::Value> = progress
        .iter()
        .map(|part| {
            json!({
                "topic": &*part.place.topic,
                "partition": part.place.partition,
                "offset": part.committed,
                "end": part.end,
                "lag": part.lag(),
                "member": part.member,
            })
        })
        .collect();
    json!({
        "group": description.group_id,
        "state": description.state,
        "assignor": description.assignor,
        "members": members,
        "partitions": partitions,
    })
}

async fn progress_of(admin: &Admin, description: &GroupDescription) -> Result<Vec<Progress>, Failure> {
    let committed = admin.group_offsets(&description.group_id, None).await.map_err(Failure::failed)?;
    let mut parts: BTreeMap<TopicPartition, (Option<i64>, Option<String>)> =
        committed.into_iter().map(|(place, committed)| (place, (Some(committed.offset), None))).collect();
    for member in &description.members {
        for place in &member.partitions {
            parts.entry(place.clone()).or_default().1 = Some(member.member_id.clone());
        }
    }
    let asked: Vec<(TopicPartition, OffsetSpec)> =
        parts.keys().map(|place| (place.clone(), OffsetSpec::Latest)).collect();
    let ends = admin.list_offsets(&asked, Isolation::ReadUncommitted).await;
    let joined = parts.into_iter().zip(ends).map(|((place, (committed, member)), end)| Progress {
        place,
        committed,
        // A deleted topic has offsets left and no end any more.
        end: end.ok().map(|end| end.offset),
        member,
    });
    Ok(joined.collect())
}

async fn reset_offsets(admin: &Admin, reset: &Reset, output: Output) -> Result<(), Failure> {
    let committed = admin.group_offsets(&reset.group, None).await.map_err(Failure::failed)?;
    let places = places_to_reset(admin, reset, &committed).await?;
    if places.is_empty() {
        return Err(Failure::failed(format!(
            "group \"{}\" has no offsets to reset: name what it reads with --topic",
            reset.group
        )));
    }
    let now: BTreeMap<&TopicPartition, i64> =
        committed.iter().map(|(place, committed)| (place, committed.offset)).collect();
    let planned = plan_offsets(admin, &reset.target, &places, &now).await?;
    if reset.execute {
        let offsets: Vec<(TopicPartition, CommittedOffset)> =
            planned.iter().map(|(place, offset)| (place.clone(), CommittedOffset::at(*offset))).collect();
        admin.alter_group_offsets(&reset.group, &offsets).await.map_err(Failure::failed)?;
    }
    print_reset(&reset.group, &planned, &now, output)?;
    if !reset.execute {
        output.note("nothing was changed; add --execute to do it");
    }
    Ok(())
}

fn print_reset(
    group: &str,
    planned: &[(TopicPartition, i64)],
    now: &BTreeMap<&TopicPartition, i64>,
    output: Output,
) -> Result<(), Failure> {
    if output.json {
        for (place, offset) in planned {
            output.value(&json!({
                "group": group,
                "topic": &*place.topic,
                "partition": place.partition,
                "from": now.get(place),
                "to": offset,
            }))?;
        }
        return Ok(());
    }
    let rows: Vec<Vec<String>> = planned
        .iter()
        .map(|(place, offset)| {
            let from = now.get(place).map_or_else(|| "-".to_owned(), ToString::to_string);
            vec![place.topic.to_string(), place.partition.to_string(), from, offset.to_string()]
        })
        .collect();
    output.table(&["topic", "partition", "from", "to"], &rows)
}

async fn places_to_reset(
    admin: &Admin,
    reset: &Reset,
    committed: &[(TopicPartition, CommittedOffset)],
) -> Result<Vec<TopicPartition>, Failure> {
    if reset.topics.is_empty() {
        return Ok(committed.iter().map(|(place, _)| place.clone()).collect());
    }
    let mut places = Vec::new();
    for named in &reset.topics {
        if let Some((topic, partition)) = named.rsplit_once(':') {
            let partition = partition.parse::<i32>().map_err(|_| {
                Failure::bad_input(format!("--topic {named}: expected TOPIC or TOPIC:PARTITION"))
            })?;
            places.push(TopicPartition::new(topic, partition));
            continue;
        }
        let described = admin.describe_topics(&[named.as_str()]).await;
        for layout in described {
            let layout = layout.map_err(Failure::failed)?;
            let count = i32::try_from(layout.partitions.len()).unwrap_or(i32::MAX);
            places.extend((0..count).map(|partition| TopicPartition::new(named.as_str(), partition)));
        }
    }
    Ok(places)
}

async fn plan_offsets(
    admin: &Admin,
    target: &Target,
    places: &[TopicPartition],
    now: &BTreeMap<&TopicPartition, i64>,
) -> Result<Vec<(TopicPartition, i64)>, Failure> {
    let first = list(admin, places, OffsetSpec::Earliest).await?;
    let last = list(admin, places, OffsetSpec::Latest).await?;
    let wanted: Vec<i64> = if target.to_earliest {
        first.clone()
    } else if let Some(offset) = target.to_offset {
        vec![offset; places.len()]
    } else if let Some(time) = &target.to_time {
        let found = list(admin, places, OffsetSpec::Timestamp(parse_time_ms(time)?)).await?;
        found.iter().zip(&last).map(|(found, last)| if *found < 0 { *last } else { *found }).collect()
    } else if let Some(shift) = target.shift_by {
        let start = |place: &TopicPartition, first: i64| now.get(place).copied().unwrap_or(first);
        places.iter().zip(&first).map(|(place, first)| start(place, *first).saturating_add(shift)).collect()
    } else {
        last.clone()
    };
    let bounds = first.iter().zip(&last);
    let within = wanted.iter().zip(bounds).map(|(wanted, (first, last))| (*wanted).min(*last).max(*first));
    Ok(places.iter().cloned().zip(within).collect())
}

async fn list(admin: &Admin, places: &[TopicPartition], spec: OffsetSpec) -> Result<Vec<i64>, Failure> {
    let asked: Vec<(TopicPartition, OffsetSpec)> = places.iter().map(|place| (place.clone(), spec)).collect();
    let found = admin.list_offsets(&asked, Isolation::ReadUncommitted).await;
    found.into_iter().map(|found| found.map(|found| found.offset).map_err(Failure::failed)).collect()
}

/// RFC 3339 text, or milliseconds since 1970.
pub fn parse_time_ms(text: &str) -> Result<i64, Failure> {
    if let Ok(ms) = text.parse::<i64>() {
        return Ok(ms);
    }
    chrono::DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis()).map_err(|_| {
        let expected = "expected a time such as 2026-01-01T00:00:00Z or milliseconds since 1970";
        Failure::bad_input(format!("{text}: {expected}"))
    })
}

async fn delete_groups(admin: &Admin, groups: &[String], output: Output) -> Result<(), Failure> {
    let asked: Vec<&str> = groups.iter().map(String::as_str).collect();
    let mut failures = Vec::new();
    for (group, result) in groups.iter().zip(admin.delete_groups(&asked).await) {
        match result {
            Ok(()) => output.note(&format!("deleted {group}")),
            Err(error) => failures.push(error.to_string()),
        }
    }
    fail_with(failures)
}
