#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "ivr/simulator.hpp"

namespace ivr {
namespace {

using Ordered = nlohmann::ordered_json;

double rounded(double x) {
  return static_cast<double>(static_cast<std::int64_t>(x * 1e6 + (x < 0 ? -0.5 : 0.5))) / 1e6;
}

Ordered times_json(const SimulatedTimes& times) {
  return {{"count", times.count()},
          {"mean_s", rounded(times.mean_seconds())},
          {"p50_ms", times.percentile(50).count()},
          {"p90_ms", times.percentile(90).count()},
          {"p99_ms", times.percentile(99).count()},
          {"most_ms", times.most().count()}};
}

std::string hex(std::uint64_t hash) {
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

std::string in_seconds(Millis t) {
  char text[32];
  const double s = static_cast<double>(t.count()) / 1000;
  if (s < 100) {
    std::snprintf(text, sizeof text, "%.1f s", s);
  } else {
    std::snprintf(text, sizeof text, "%d:%02d min", static_cast<int>(s) / 60, static_cast<int>(s) % 60);
  }
  return text;
}

std::string percent(std::uint64_t part, std::uint64_t of) {
  char text[16];
  std::snprintf(text, sizeof text, "%.1f %%",
                of == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(of));
  return text;
}
std::string percent(double share) {
  char text[16];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
  return text;
}

// Columns as wide as what stands in them; the first to the left, the others to the right.
class Columns {
 public:
  explicit Columns(std::vector<std::string> head) { rows_.push_back(std::move(head)); }
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string text() const {
    std::vector<std::size_t> widths(rows_[0].size());
    const auto length = [](const std::string& s) {
      return static_cast<std::size_t>(std::count_if(
          s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    };
    for (const auto& row : rows_) {
      for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], length(row[i]));
    }
    std::string out;
    for (const auto& row : rows_) {
      std::string line = "  ";
      for (std::size_t i = 0; i < row.size(); ++i) {
        const std::string gap(widths[i] - length(row[i]), ' ');
        line += i == 0 ? row[i] + gap : "  " + gap + row[i];
      }
      out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return out;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

template <class Map>
auto by_count(const Map& map) {
  std::vector<std::pair<std::string, const typename Map::mapped_type*>> list;
  for (const auto& [name, times] : map) list.emplace_back(name, &times);
  std::stable_sort(list.begin(), list.end(),
                   [](const auto& a, const auto& b) { return a.second->count() > b.second->count(); });
  return list;
}

}  // namespace

std::string simulation_json(const SimulationResult& r, const SimulatorOptions& options) {
  Ordered json{{"flow", options.flow->id()},
               {"digest", options.flow->digest()},
               {"seed", options.seed},
               {"calls", r.calls},
               {"days", r.days},
               {"steps", r.steps},
               {"hash", hex(r.hash)},
               {"cut_off", r.cut_off}};
  json["length"] = times_json(r.length);
  json["outcomes"] = Ordered::object();
  for (const auto& [name, times] : by_count(r.outcomes)) json["outcomes"][name] = times_json(*times);
  const auto [taken, exits] = r.exits_taken();
  json["coverage"] = {{"nodes", r.nodes.size()},
                      {"nodes_visited", r.nodes_visited()},
                      {"exits", exits},
                      {"exits_taken", taken}};
  json["nodes"] = Ordered::array();
  for (const SimulatedNode& node : r.nodes) {
    Ordered ways = Ordered::array();
    for (const SimulatedWay& way : node.ways)
      ways.push_back({{"exit", way.exit}, {"to", way.to}, {"calls", way.calls}, {"implied", way.implied}});
    json["nodes"].push_back({{"node", node.name},
                             {"type", node.type},
                             {"visits", node.visits},
                             {"lost", node.lost},
                             {"exits", std::move(ways)}});
  }
  json["queues"] = Ordered::object();
  for (const auto& [id, q] : r.queues) {
    json["queues"][id] = {{"joined", q.joined},
                          {"served", q.served},
                          {"abandoned", q.abandoned},
                          {"timed_out", q.timed_out},
                          {"full", q.full},
                          {"unavailable", q.unavailable},
                          {"left_by_key", q.left_by_key},
                          {"callbacks", q.callbacks},
                          {"answer_rate", rounded(q.answer_rate())},
                          {"service_level", rounded(q.service_level())},
                          {"wait", times_json(q.wait)},
                          {"abandoned_after", times_json(q.abandoned_after)},
                          {"talk", times_json(q.talk)}};
  }
  json["agents"] = Ordered::object();
  for (const auto& [id, w] : r.agents) {
    json["agents"][id] = {{"offered", w.offered},
                          {"served", w.served},
                          {"missed", w.missed},
                          {"refused", w.refused},
                          {"busy_ms", w.busy_ms},
                          {"logged_in_ms", w.logged_in_ms},
                          {"utilisation", rounded(w.utilisation())}};
  }
  if (!options.goals.empty())
    json["goals"] = {
        {"nodes", options.goals},
        {"calls", r.goals},
        {"share", rounded(r.calls == 0 ? 0 : static_cast<double>(r.goals) / static_cast<double>(r.calls))}};
  json["unanswered"] = Ordered::object();
  for (const auto& [url, count] : r.unanswered) json["unanswered"][url] = count;
  return json.dump(2, ' ', false, Ordered::error_handler_t::replace);
}

std::string simulation_text(const SimulationResult& r, const SimulatorOptions& options) {
  std::string out = options.flow->id() + ": " + std::to_string(r.calls) + " calls on " +
                    std::to_string(r.days) + (r.days == 1 ? " day" : " days") + ", seed " +
                    std::to_string(options.seed) + ", " + std::to_string(r.steps) + " steps, hash " +
                    hex(r.hash) + "\n";
  const auto [taken, exits] = r.exits_taken();
  out += "\nNodes visited: " + std::to_string(r.nodes_visited()) + " of " + std::to_string(r.nodes.size()) +
         "; exits taken: " + std::to_string(taken) + " of " + std::to_string(exits) + "\n";
  for (const SimulatedNode& node : r.nodes) {
    if (node.visits == 0) {
      out += "  never visited: " + node.name + "\n";
      continue;
    }
    std::string never;
    for (const SimulatedWay& way : node.ways) {
      if (!way.implied && way.calls == 0 && !way.to.empty()) never += (never.empty() ? "" : ", ") + way.exit;
    }
    if (!never.empty()) out += "  never left: " + node.name + " by " + never + "\n";
  }
  out += "\nHow calls ended\n";
  Columns ends({"", "calls", "share", "median", "90 %", "99 %"});
  for (const auto& [name, times] : by_count(r.outcomes))
    ends.row({name, std::to_string(times->count()), percent(times->count(), r.calls),
              in_seconds(times->percentile(50)), in_seconds(times->percentile(90)),
              in_seconds(times->percentile(99))});
  out += ends.text();
  Columns lost({"", "callers", "of those there"});
  std::vector<const SimulatedNode*> places;
  for (const SimulatedNode& node : r.nodes) {
    if (node.lost > 0) places.push_back(&node);
  }
  std::stable_sort(places.begin(), places.end(),
                   [](const auto* a, const auto* b) { return a->lost > b->lost; });
  for (const SimulatedNode* node : places)
    lost.row({node->name, std::to_string(node->lost), percent(node->lost, node->visits)});
  if (!places.empty()) out += "\nWhere callers hung up before they had talked with anybody\n" + lost.text();
  if (!r.queues.empty()) {
    Columns queues({"", "joined", "served", "abandoned", "timed out", "full", "nobody", "answered", "in time",
                    "mean wait", "90 %", "mean talk"});
    for (const auto& [id, q] : r.queues)
      queues.row({id, std::to_string(q.joined), std::to_string(q.served), std::to_string(q.abandoned),
                  std::to_string(q.timed_out), std::to_string(q.full), std::to_string(q.unavailable),
                  percent(q.answer_rate()), percent(q.service_level()), in_seconds(q.wait.mean()),
                  in_seconds(q.wait.percentile(90)), in_seconds(q.talk.mean())});
    out += "\nQueues\n" + queues.text();
  }
  if (!r.agents.empty()) {
    Columns agents({"", "offered", "served", "missed", "refused", "busy"});
    for (const auto& [id, w] : r.agents)
      agents.row({id, std::to_string(w.offered), std::to_string(w.served), std::to_string(w.missed),
                  std::to_string(w.refused), percent(w.utilisation())});
    out += "\nAgents\n" + agents.text();
  }
  if (!options.goals.empty())
    out += "\nCame to the goal: " + std::to_string(r.goals) + " (" + percent(r.goals, r.calls) + ")\n";
  if (!r.unanswered.empty()) {
    out += "\nRequests that no \"api\" of the callers' file answers (they failed)\n";
    for (const auto& [url, count] : r.unanswered) out += "  " + std::to_string(count) + "  " + url + "\n";
  }
  if (r.cut_off > 0)
    out +=
        "\n" + std::to_string(r.cut_off) + " calls had not ended 4 hours after their day and were cut off\n";
  return out;
}

std::string comparison_text(const SimulationResult& before, const SimulationResult& after) {
  Columns table({"", "before", "after"});
  const auto row = [&](const std::string& what, const std::string& one, const std::string& other) {
    table.row({what, one, other});
  };
  const auto lost = [](const SimulationResult& r) {
    std::uint64_t sum = 0;
    for (const SimulatedNode& node : r.nodes) sum += node.lost;
    return sum;
  };
  row("calls", std::to_string(before.calls), std::to_string(after.calls));
  row("hung up before any talk", percent(lost(before), before.calls), percent(lost(after), after.calls));
  std::map<std::string, std::pair<SimulatedQueue, SimulatedQueue>> queues;
  for (const auto& [id, queue] : before.queues) queues[id].first = queue;
  for (const auto& [id, queue] : after.queues) queues[id].second = queue;
  for (const auto& [id, both] : queues) {
    const auto& [a, b] = both;
    const auto count = [](std::uint64_t n) { return std::to_string(n); };
    row("queue " + id, "", "");
    row("  joined", count(a.joined), count(b.joined));
    row("  served", count(a.served), count(b.served));
    row("  abandoned", count(a.abandoned), count(b.abandoned));
    row("  timed out", count(a.timed_out), count(b.timed_out));
    row("  full or nobody", count(a.full + a.unavailable), count(b.full + b.unavailable));
    row("  answered", percent(a.answer_rate()), percent(b.answer_rate()));
    row("  in time", percent(a.service_level()), percent(b.service_level()));
    row("  mean wait", in_seconds(a.wait.mean()), in_seconds(b.wait.mean()));
    row("  90 % wait", in_seconds(a.wait.percentile(90)), in_seconds(b.wait.percentile(90)));
  }
  std::map<std::string, std::pair<std::string, std::string>> agents;
  for (const auto& [id, work] : before.agents) agents[id].first = percent(work.utilisation());
  for (const auto& [id, work] : after.agents) agents[id].second = percent(work.utilisation());
  for (const auto& [id, busy] : agents) row("busy " + id, busy.first, busy.second);
  return table.text();
}

}  // namespace ivr
