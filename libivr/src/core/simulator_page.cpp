#include <algorithm>
#include <cstdio>

#include "core/flow_model.hpp"
#include "core/simulator_picture.hpp"

namespace ivr {
namespace {

using simulation::escaped;

constexpr char kStyle[] =
    "body{font:15px/1.45 system-ui,sans-serif;color:#1b262c;margin:2rem auto;max-width:1180px;padding:0 1rem}"
    "h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid "
    "#e3e8ea}"
    "td:first-child,th:first-child{text-align:left}th{font-weight:600;color:#455a64}"
    ".cards{display:flex;flex-wrap:wrap;gap:.8rem;margin:1.2rem 0}.card{background:#f3f6f7;border-radius:8px;"
    "padding:.6rem 1rem}.card b{display:block;font-size:1.25rem}.card span{color:#546e7a;font-size:.85rem}"
    ".flow{overflow:auto;border:1px solid #e3e8ea;border-radius:8px}.flow svg{max-width:none}"
    "code{font-size:.9em;color:#546e7a}.bar{background:#78909c;height:.6rem;border-radius:3px}"
    "@media print{.flow svg{width:100%;height:auto}}";

std::string seconds_of(Millis t) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(t.count()) / 1000);
  return text;
}
std::string share_of(double share) {
  char text[24];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
  return text;
}
double part_of(std::uint64_t part, std::uint64_t of) {
  return of == 0 ? 0 : static_cast<double>(part) / static_cast<double>(of);
}

class Table {
 public:
  explicit Table(std::vector<std::string> head) : out_("<table><tr>") {
    for (const std::string& cell : head) out_ += "<th>" + cell + "</th>";
    out_ += "</tr>\n";
  }
  void row(const std::vector<std::string>& cells) {
    out_ += "<tr>";
    for (const std::string& cell : cells) out_ += "<td>" + cell + "</td>";
    out_ += "</tr>\n";
  }
  std::string html() const { return out_ + "</table>\n"; }

 private:
  std::string out_;
};

}  // namespace

std::string simulation_html(const SimulationResult& r, const SimulatorOptions& options) {
  const auto count = [](std::uint64_t n) { return std::to_string(n); };
  char hash[20];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(r.hash));
  std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" +
                    escaped(options.flow->id()) + ", simulated</title><style>" + kStyle +
                    "</style></head><body>\n<h1>" + escaped(options.flow->id()) + "</h1>\n<p>" +
                    count(r.calls) + " calls that nobody made, on " + count(r.days) +
                    (r.days == 1 ? " day" : " days") + ". <code>seed " + count(options.seed) +
                    " \u00b7 hash " + hash + " \u00b7 flow " + options.flow->digest().substr(0, 12) +
                    "</code></p>\n<div class=\"cards\">";
  const auto card = [&](const std::string& what, const std::string& figure) {
    out += "<div class=\"card\"><b>" + figure + "</b><span>" + what + "</span></div>";
  };
  const auto [taken, exits] = r.exits_taken();
  std::uint64_t lost = 0;
  for (const SimulatedNode& node : r.nodes) lost += node.lost;
  card("nodes visited", count(r.nodes_visited()) + " of " + count(r.nodes.size()));
  card("exits taken", count(taken) + " of " + count(exits));
  card("hung up before any talk", share_of(part_of(lost, r.calls)));
  card("median call", seconds_of(r.length.percentile(50)));
  if (!options.goals.empty()) card("came to the goal", share_of(part_of(r.goals, r.calls)));
  out +=
      "</div>\n<h2>The flow and its traffic</h2>\n<p>Lines are as wide as calls took them; broken ones "
      "nobody took. Red "
      "figures hung up there.</p>\n<div class=\"flow\">";
  const flow::Model& model = options.flow->model();
  std::vector<int> more = flow::entries_of(model);
  out += simulation::traffic_svg(r.nodes, model.start, more) + "</div>\n<h2>How calls ended</h2>\n";
  std::vector<std::pair<std::string, const SimulatedTimes*>> ends;
  for (const auto& [name, times] : r.outcomes) ends.emplace_back(name, &times);
  std::stable_sort(ends.begin(), ends.end(),
                   [](const auto& a, const auto& b) { return a.second->count() > b.second->count(); });
  Table outcomes({"", "calls", "share", "", "median", "90 %", "99 %"});
  for (const auto& [name, times] : ends) {
    char bar[64];
    std::snprintf(bar, sizeof bar, "<div class=\"bar\" style=\"width:%.0fpx\"></div>",
                  160 * part_of(times->count(), r.calls));
    outcomes.row({escaped(name), count(times->count()), share_of(part_of(times->count(), r.calls)), bar,
                  seconds_of(times->percentile(50)), seconds_of(times->percentile(90)),
                  seconds_of(times->percentile(99))});
  }
  out += outcomes.html();
  if (!r.queues.empty()) {
    Table queues({"", "joined", "served", "abandoned", "timed out", "full", "nobody", "answered", "in time",
                  "mean wait", "90 %", "mean talk"});
    for (const auto& [id, q] : r.queues)
      queues.row({escaped(id), count(q.joined), count(q.served), count(q.abandoned), count(q.timed_out),
                  count(q.full), count(q.unavailable), share_of(q.answer_rate()), share_of(q.service_level()),
                  seconds_of(q.wait.mean()), seconds_of(q.wait.percentile(90)), seconds_of(q.talk.mean())});
    out += "<h2>Queues</h2>\n" + queues.html();
  }
  if (!r.agents.empty()) {
    Table agents({"", "offered", "served", "missed", "refused", "busy"});
    for (const auto& [id, w] : r.agents)
      agents.row({escaped(id), count(w.offered), count(w.served), count(w.missed), count(w.refused),
                  share_of(w.utilisation())});
    out += "<h2>Agents</h2>\n" + agents.html();
  }
  Table never({"", "exit"});
  bool any = false;
  for (const SimulatedNode& node : r.nodes) {
    if (node.visits == 0) never.row({escaped(node.name), "never visited"}), any = true;
    for (const SimulatedWay& way : node.ways) {
      if (node.visits == 0 || way.implied || way.calls > 0 || way.to.empty()) continue;
      never.row({escaped(node.name), escaped(way.exit)});
      any = true;
    }
  }
  if (any) out += "<h2>What no call came by</h2>\n" + never.html();
  if (!r.unanswered.empty()) {
    Table missed({"", "requests"});
    for (const auto& [url, times] : r.unanswered) missed.row({escaped(url), count(times)});
    out += "<h2>Requests that the callers' file does not answer</h2>\n" + missed.html();
  }
  return out + "</body></html>\n";
}

}  // namespace ivr
