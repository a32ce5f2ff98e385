//! The status page: the fleet at a glance, then each project.
//!
//! It is whole without its script, which only filters and sorts what is there, and it loads nothing from elsewhere. What it
//! shows by colour it also says in words.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::daemon::board::{Fleet, View};
use crate::daemon::times::{relative, span};
use crate::domain::clocks::time_text;
use crate::engine::event::chain;
use crate::engine::standing::Standing;
use crate::plan::retire::Waiting;

pub(super) const STYLE: &str = include_str!("page.css");
pub(super) const SCRIPT: &str = include_str!("page.js");

/// The ages stand in tenths of the way from one rotation to the next.
const TENTHS: usize = 10;

/// The height of the chart, in its own units.
const HEIGHT: usize = 36;

/// A project, in the one word by which the page sorts it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Problem,
    Overdue,
    Due,
    Held,
    Fresh,
}

impl Health {
    const ALL: [Self; 5] = [Self::Problem, Self::Overdue, Self::Due, Self::Held, Self::Fresh];

    fn of(standing: &Standing, fleet: &Fleet, view: &View, now: DateTime<Utc>) -> Self {
        let overdue = fleet.overdue(standing, now);
        match standing {
            Standing { problem: Some(_), .. } => Self::Problem,
            _ if overdue > view.tolerance => Self::Overdue,
            Standing { wanting: true, .. } => Self::Due,
            _ if overdue > TimeDelta::zero() => Self::Due,
            Standing { reason: "up_to_date", .. } => Self::Fresh,
            _ => Self::Held,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Overdue => "overdue",
            Self::Due => "due",
            Self::Held => "held",
            Self::Fresh => "fresh",
        }
    }
}

pub(super) fn render(view: &View, now: DateTime<Utc>) -> Markup {
    let instance = view.engine.policy.instance.as_str();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "exceptionless-rotator: " (instance) }
                link rel="stylesheet" href="page.css";
                script src="page.js" defer {}
            }
            body {
                a .skip href="#projects" { "Skip to the projects" }
                header {
                    h1 { "exceptionless-rotator" }
                    @if let Some(lease) = view.engine.lease() {
                        p {
                            @if lease.ours { "This replica works" } @else { "This replica stands by" }
                            ": the lease is held by " strong { (lease.holder.as_deref().unwrap_or("nobody")) } "."
                        }
                    }
                    p { "instance " strong { (instance) } ", version " (env!("CARGO_PKG_VERSION")) ", as of " (time(now)) }
                }
                main {
                    @let unready = view.unready(now);
                    section aria-labelledby="health" {
                        h2 #health { "Health" }
                        @if view.refused {
                            p .bad { "The configuration file was refused, and a restart would fail by it: run check." }
                        }
                        @let trouble = view.engine.vault.trouble().filter(|_| unready.is_empty());
                        @if let Some(trouble) = &trouble {
                            p .bad { "The login at Vault could not be renewed: " (chain(trouble)) }
                        }
                        @let troubled = view.fleet().map_or(0, |fleet| fleet.problems_in_all());
                        @if unready.is_empty() && troubled == 0 && (view.refused || trouble.is_some()) {
                            p { "The keys are rotated as before." }
                        } @else if unready.is_empty() && troubled == 0 {
                            p .good { "Everything works." }
                        } @else if unready.is_empty() {
                            p .bad { (count(troubled, "problem")) " to look at: see below." }
                        } @else {
                            ul .bad { @for reason in &unready { li { (reason) } } }
                        }
                    }
                    @if let Some(fleet) = view.fleet() { (whole(fleet, view, now)) }
                }
                footer { p { a href="metrics" { "metrics" } " " a href="api/status" { "status as JSON" } " " a href="" { "refresh" } } }
            }
        }
    }
}

fn whole(fleet: &Fleet, view: &View, now: DateTime<Utc>) -> Markup {
    let mut rows: Vec<(Health, &Standing)> =
        fleet.standings.iter().map(|standing| (Health::of(standing, fleet, view, now), standing)).collect();
    // Whoever comes because something is wrong sees that first.
    rows.sort_by_key(|(health, _)| *health as usize);
    let of = |health| rows.iter().filter(|(other, _)| *other == health).count();
    let retiring: usize = fleet
        .standings
        .iter()
        .map(|standing| standing.waiting.iter().filter(|waiting| !waiting.disabled).count())
        .sum();
    html! {
        section aria-labelledby="fleet" {
            h2 #fleet { "Fleet" }
            dl .figures {
                div { dt { "projects" } dd { (fleet.standings.len()) } }
                @for health in Health::ALL {
                    div .(health.word()) { dt { (health.word()) } dd { (of(health)) } }
                }
                div { dt { "keys in overlap" } dd { (retiring) } }
                div { dt { "last pass" } dd { (relative(fleet.seen_at, now)) } }
                @if let Some(next) = view.next_pass_at { div { dt { "next pass" } dd { (relative(next, now)) } } }
                @if let Some(next) = fleet.next_rotation_at() {
                    div { dt { "next rotation" } dd { (relative(next, now)) } }
                }
                @if let Some(budget) = view.engine.exceptionless.budget() {
                    div { dt { "request budget" } dd { (budget.remaining) " of " (budget.limit) } }
                }
            }
            (ages(fleet, now))
            @if !fleet.problems.is_empty() {
                h3 { "Problems of the last pass" }
                ul .bad { @for problem in &fleet.problems { li { (problem) } } }
            }
        }
        section aria-labelledby="projects" {
            h2 #projects { "Projects" }
            form .filters role="search" hidden {
                label { "Filter " input #filter type="search" placeholder="name, id, path, key" autocomplete="off"; }
                label { "State " select #state {
                    option value="" { "all" }
                    @for health in Health::ALL { option value=(health.word()) { (health.word()) " (" (of(health)) ")" } }
                } }
                p #shown role="status" {}
            }
            div .scroll tabindex="0" role="group" aria-label="Table of the projects" {
                table {
                    thead { tr {
                        @for name in ["State", "Project", "Age", "Next rotation", "In overlap", "Key", "Version", "Path"] {
                            th scope="col" { (name) }
                        }
                    } }
                    tbody { @for (health, standing) in &rows { (row(standing, *health, now)) } }
                }
            }
        }
    }
}

fn row(standing: &Standing, health: Health, now: DateTime<Utc>) -> Markup {
    let dash = "\u{2013}";
    let age = standing.rotated_at.map(|time| now - time);
    html! {
        tr data-state=(health.word()) {
            td data-value=(health as usize) { span .tag .(health.word()) { (health.word()) } }
            th scope="row" data-value=(standing.project.full_name()) {
                (standing.project.organization_name) "/" (standing.project.name)
                small { (standing.project.id.as_str()) " " (standing.reason) }
                @if let Some(problem) = &standing.problem { p .problem { (problem.text) } }
            }
            td data-value=[age.map(|age| age.num_seconds())] { @match age { Some(age) => (span(age)), None => (dash) } }
            td data-value=[standing.next_rotation_at.map(|next| next.timestamp())] {
                @match standing.next_rotation_at { Some(next) => (distance(next, now)), None => (dash) }
            }
            td data-value=(standing.waiting.len()) { (overlap(&standing.waiting, now)) }
            td { @match standing.key { Some(key) => code { (key) }, None => (dash) } }
            td data-value=[standing.version] { @match standing.version { Some(version) => (version), None => (dash) } }
            td { @match &standing.path { Some(path) => code { (path) }, None => (dash) } }
        }
    }
}

fn overlap(waiting: &[Waiting], now: DateTime<Utc>) -> Markup {
    html! {
        @if waiting.is_empty() { "0" } @else {
            details {
                summary { (waiting.len()) }
                ul { @for one in waiting { li {
                    code { (one.key) } " "
                    @if one.pinned { "kept: another secret may publish it" } @else { "ends " (distance(one.deadline, now)) }
                } } }
            }
        }
    }
}

/// How old the keys are, as a share of the way from one rotation to the next.
fn ages(fleet: &Fleet, now: DateTime<Utc>) -> Markup {
    let mut columns = [0usize; TENTHS + 1];
    let mut without = 0;
    for standing in &fleet.standings {
        match standing.rotated_at.zip(standing.due_at) {
            Some((rotated, due)) if due > rotated => columns[tenth(now - rotated, due - rotated)] += 1,
            _ => without += 1,
        }
    }
    let highest = columns.iter().copied().max().unwrap_or(0).max(1);
    let late = columns[TENTHS];
    let told = format!(
        "Ages of {} against the schedule: {} in the first half of their time, {} in the second, {late} past it; {} without a key.",
        count(fleet.standings.len() - without, "key"),
        columns[..TENTHS / 2].iter().sum::<usize>(),
        columns[TENTHS / 2..TENTHS].iter().sum::<usize>(),
        count(without, "project"),
    );
    html! {
        figure {
            svg viewBox=(format!("0 0 {} {}", 20 * columns.len(), HEIGHT + 24)) role="img" aria-label=(told) {
                @for (index, column) in columns.iter().enumerate() {
                    @let height = if *column == 0 { 0 } else { (column * HEIGHT / highest).max(2) };
                    @let x = 20 * index;
                    rect .late[index == TENTHS] x=(x + 2) y=(12 + HEIGHT - height) width="16" height=(height) {}
                    @if *column > 0 { text x=(x + 10) y=(9 + HEIGHT - height) { (column) } }
                    text x=(x + 10) y=(HEIGHT + 21) { @if index == TENTHS { "late" } @else { (10 * index) "%" } }
                }
            }
            figcaption { (told) }
        }
    }
}

/// So many things, in words.
fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn tenth(age: TimeDelta, whole: TimeDelta) -> usize {
    let share = age.num_milliseconds().max(0) as f64 / whole.num_milliseconds().max(1) as f64;
    if share >= 1.0 { TENTHS } else { (share * TENTHS as f64) as usize }
}

/// A time with what it means now.
fn distance(moment: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    html! { time datetime=(time_text(moment)) title=(time_text(moment)) { (relative(moment, now)) } }
}

fn time(moment: DateTime<Utc>) -> Markup {
    html! { time datetime=(time_text(moment)) { (PreEscaped(time_text(moment))) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_stands_in_the_tenth_of_its_way_and_past_its_end_it_is_late() {
        let whole = TimeDelta::hours(10);
        for (hours, tenths) in [(-1, 0), (0, 0), (1, 1), (9, 9), (10, TENTHS), (99, TENTHS)] {
            assert_eq!(tenth(TimeDelta::hours(hours), whole), tenths, "{hours}");
        }
    }
}
