// What a report shows: the big figures, and for each panel its table and its plot.

const LABELS = {
  partner_schools: "Partner Schools",
  connect: "Connect",
  overall_grade: "Overall grade",
  report_card: "Report card",
  headteacher: "Headteachers",
  senior_leader: "Senior leaders",
  middle_leader: "Middle leaders",
  other: "Others",
};
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export const INK = { accent: "#0b5c6b", second: "#b4690e", late: "#4b9a92", excused: "#a07c12", absent: "#9b3a3a" };

const label = (name) => LABELS[name] || (name[0].toUpperCase() + name.slice(1)).replaceAll("_", " ");
const count = (number) => Number(number).toLocaleString("en-GB");
const hours = (text) => Number(text).toLocaleString("en-GB", { maximumFractionDigits: 2 });
const percent = (rate) => (rate === null ? "–" : `${(Number(rate) * 100).toLocaleString("en-GB", { minimumFractionDigits: 1, maximumFractionDigits: 1 })}%`);
const month = (name) => MONTHS[Number(name.slice(5)) - 1];
const entries = (counts) => Object.entries(counts).map(([name, value]) => [label(name), value]);
const some = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;

export function bigFigures(report) {
  const { networks, member_schools: schools, leaders, network_days: days, attendance, cpd_hours: cpd } = report;
  return [
    [count(schools.total), "Member schools", `${count(schools.joined)} joined in the year`],
    [count(networks.total), networks.total === 1 ? "Network" : "Networks", `${count(networks.newly_established)} newly established`],
    [count(leaders.senior_and_middle), "Senior and middle leaders", `${count(leaders.total)} people involved in all`],
    [count(days.held), "Network Days held", `${count(days.scheduled)} to come, ${count(days.cancelled)} cancelled`],
    [percent(attendance.rate), "Attendance", `of ${some(attendance.places, "place", "places")}`],
    [count(report.days_in_schools), "Days in schools", "Development Days delivered"],
    [hours(cpd.total), "CPD hours", "credited to leaders"],
    [share(report), "Starting from Good or Outstanding", "of schools that joined with an overall grade"],
  ].map(([value, name, more]) => {
    const group = document.createElement("div");
    group.append(element("dt", name), element("dd", value, "value"), element("dd", more, "more"));
    return group;
  });
}

// Only within the one framework that has these grades.
function share(report) {
  const grades = report.starting_points.overall_grade;
  if (!grades.total) return "–";
  return percent((grades.by_judgement.good + grades.by_judgement.outstanding) / grades.total);
}

export function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function panelsOf(report) {
  const national = report.scope.kind === "national";
  return [
    national && byRegion(report),
    ...startingPoints(report),
    leadersByRole(report),
    pathways(report),
    daysByMonth(report),
    attendance(report),
    cpdByStrand(report),
    cpdByMonth(report),
  ].filter(Boolean);
}

const bars = (pairs, colour = INK.accent) => ({ kind: "bars", names: pairs.map(([name]) => name), values: pairs.map(([, value]) => Number(value)), colour });

function byRegion({ member_schools: schools, networks }) {
  return {
    name: "by-region",
    title: "Member schools by region",
    plot: bars(entries(schools.by_region)),
    table: {
      caption: "By the region of the school’s network",
      head: ["Region", "Schools", "Networks"],
      rows: Object.keys(schools.by_region).map((region) => [region, count(schools.by_region[region]), count(networks.by_region[region])]),
      foot: ["England", count(schools.total), count(networks.total)],
    },
  };
}

function startingPoints({ starting_points: frameworks, member_schools: schools }) {
  const uninspected = frameworks.not_inspected.total;
  const note = uninspected ? ` ${some(uninspected, "school", "schools")} joined without an inspection.` : "";
  const when = { overall_grade: "inspected until September 2024", report_card: "inspected since November 2025" };
  return ["overall_grade", "report_card"]
    .filter((framework) => frameworks[framework].total || framework === "overall_grade")
    .map((framework) => ({
      name: `starting-points-${framework.replace("_", "-")}`,
      title: `Starting points: ${label(framework).toLowerCase()}`,
      lead: `Of ${some(schools.joined, "school that joined", "schools that joined")}, ${count(frameworks[framework].total)} ${when[framework]}.${framework === "overall_grade" ? note : ""}`,
      half: true,
      plot: bars(entries(frameworks[framework].by_judgement)),
      table: {
        caption: `Schools that joined in the year, ${label(framework).toLowerCase()}`,
        head: ["Judgement at joining", "Schools"],
        rows: entries(frameworks[framework].by_judgement).map(([name, value]) => [name, count(value)]),
        foot: ["All", count(frameworks[framework].total)],
      },
    }));
}

function attendance({ attendance: all, by_month: months }) {
  const kinds = ["attended", "late", "excused", "absent"];
  const colours = [INK.accent, INK.late, INK.excused, INK.absent];
  return {
    name: "attendance",
    title: "Attendance at Network Days",
    lead: `${percent(all.rate)} of ${some(all.places, "place", "places")} on the registers of held days.`,
    plot: {
      kind: "stacked",
      names: months.map((each) => month(each.month)),
      series: kinds.map((kind, number) => ({ name: label(kind), values: months.map((each) => each.attendance[kind]), colour: colours[number] })),
    },
    table: {
      caption: "Places by month",
      head: ["Month", "Places", ...kinds.map(label), "Rate"],
      rows: months.map((each) => [month(each.month), count(each.attendance.places), ...kinds.map((kind) => count(each.attendance[kind])), percent(each.attendance.rate)]),
      foot: ["Year", count(all.places), ...kinds.map((kind) => count(all[kind])), percent(all.rate)],
    },
  };
}

function daysByMonth({ network_days: held, days_in_schools: delivered, by_month: months }) {
  return {
    name: "days-by-month",
    title: "Days by month",
    plot: {
      kind: "grouped",
      names: months.map((each) => month(each.month)),
      series: [
        { name: "Network Days held", values: months.map((each) => each.network_days_held), colour: INK.second },
        { name: "Days in schools", values: months.map((each) => each.days_in_schools), colour: INK.accent },
      ],
    },
    table: {
      caption: "Days that took place",
      head: ["Month", "Network Days held", "Days in schools"],
      rows: months.map((each) => [month(each.month), count(each.network_days_held), count(each.days_in_schools)]),
      foot: ["Year", count(held.held), count(delivered)],
    },
  };
}

function cpdByStrand({ cpd_hours: cpd }) {
  return {
    name: "cpd-by-strand",
    title: "CPD hours by strand",
    plot: bars(entries(cpd.by_strand)),
    table: {
      caption: "Hours credited less revoked",
      head: ["Strand", "Hours"],
      rows: entries(cpd.by_strand).map(([name, value]) => [name, hours(value)]),
      foot: ["All", hours(cpd.total)],
    },
  };
}

function cpdByMonth({ cpd_hours: cpd, by_month: months }) {
  return {
    name: "cpd-by-month",
    title: "CPD hours by month",
    plot: { kind: "grouped", names: months.map((each) => month(each.month)), series: [{ name: "CPD hours", values: months.map((each) => Number(each.cpd_hours)), colour: INK.accent }] },
    table: {
      caption: "By the date on which they were earned",
      head: ["Month", "Hours"],
      rows: months.map((each) => [month(each.month), hours(each.cpd_hours)]),
      foot: ["Year", hours(cpd.total)],
    },
  };
}

function leadersByRole({ leaders }) {
  return {
    name: "leaders",
    title: "Leaders involved by role",
    half: true,
    plot: bars(entries(leaders.by_role)),
    table: {
      caption: "People, each once",
      head: ["Role", "People"],
      rows: entries(leaders.by_role).map(([name, value]) => [name, count(value)]),
      foot: ["All", count(leaders.total)],
    },
  };
}

function pathways({ member_schools: schools }) {
  return {
    name: "pathways",
    title: "Member schools by pathway",
    half: true,
    plot: bars(entries(schools.by_pathway)),
    table: {
      caption: "Each school once",
      head: ["Pathway", "Schools"],
      rows: entries(schools.by_pathway).map(([name, value]) => [name, count(value)]),
      foot: ["All", count(schools.total)],
    },
  };
}
