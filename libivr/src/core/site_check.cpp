#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/flow_json.hpp"
#include "core/flow_names.hpp"
#include "ivr/site.hpp"

// What of a good site looks like a mistake.

namespace ivr {
namespace {

using flow::pointer_to;

std::string skill_level(int level) {
  const auto at = static_cast<std::size_t>(level);
  return std::to_string(level) +
         (at < std::size(kSkillLevels) ? " (" + std::string(kSkillLevels[at]) + ")" : "");
}

// Who may serve a queue, and how good the best of them is at what.
struct Crew {
  std::vector<const AgentOptions*> agents;
  std::map<std::string, std::pair<int, const AgentOptions*>> best;  // by skill
  std::string name;  // "of queue 'desk'"; empty: all of the site

  void add(const AgentOptions& agent) {
    agents.push_back(&agent);
    for (const Skill& skill : agent.skills) {
      const auto [at, added] = best.try_emplace(skill.name, skill.level, &agent);
      if (!added && skill.level > at->second.first) at->second = {skill.level, &agent};
    }
  }
};

class SiteChecker {
 public:
  explicit SiteChecker(const Site& site) : site_(site) {
    for (const AgentOptions& agent : site.agents) {
      all_.add(agent);
      by_id_.emplace(agent.id, &agent);
    }
    for (const auto& [skill, unused] : all_.best) skills_.push_back(skill);
  }

  std::vector<Finding> findings() {
    for (const QueueOptions& queue : site_.queues) {
      const bool asks =
          !queue.required.empty() || std::ranges::any_of(queue.steps, [](const QueueStep& step) {
            return step.required && !step.required->empty();
          });
      if (!asks) continue;
      const Crew own = crew_of(queue);
      const Crew& crew = own.name.empty() ? all_ : own;
      const std::string at = pointer_to("/queues", queue.id);
      look_at(queue.required, crew, at + "/required");
      for (std::size_t i = 0; i < queue.steps.size(); ++i) {
        if (queue.steps[i].required) {
          look_at(*queue.steps[i].required, crew, at + "/steps/" + std::to_string(i) + "/required");
        }
      }
    }
    return std::move(findings_);
  }

 private:
  // Without a name: all.
  Crew crew_of(const QueueOptions& queue) const {
    Crew crew;
    if (!queue.members.empty()) {
      crew.name = " of queue '" + queue.id + "'";
      for (const QueueMember& member : queue.members) {
        if (const auto at = by_id_.find(member.agent); at != by_id_.end()) crew.add(*at->second);
      }
    } else if (!queue.department.empty()) {
      crew.name = " of department '" + queue.department + "'";
      for (const AgentOptions& agent : site_.agents) {
        if (agent.department == queue.department) crew.add(agent);
      }
    }
    return crew;
  }

  void look_at(const SkillExpression& required, const Crew& crew, const std::string& pointer) {
    const std::size_t before = findings_.size();
    std::vector<Skill> below;
    required.for_each([&](const Skill& skill, bool reached) {
      if (!reached) below.push_back(skill);
    });
    required.for_each([&](const Skill& skill, bool reached) {
      const auto best = crew.best.find(skill.name);
      const bool known = all_.best.contains(skill.name);
      if (best == crew.best.end()) {
        if (!reached && known) return;  // that none of these has it is what is wanted
        warn("unknown-skill", pointer,
             "no agent" + (known ? crew.name : std::string()) + " has skill '" + skill.name + "'" +
                 (known ? "" : flow::suggestion(skill.name, skills_)),
             reached ? "give it to an agent" + crew.name + ", or name one that somebody has"
                     : "name one that somebody has, or remove it");
      } else if (reached && best->second.first < skill.level &&
                 std::ranges::find(below, Skill{skill.name, skill.level - 1}) == below.end()) {  // of a !=
        warn("unreached-level", pointer,
             "no agent" + crew.name + " has skill '" + skill.name + "' at level " + skill_level(skill.level) +
                 " or above; '" + best->second.second->id + "' has the highest, " +
                 skill_level(best->second.first),
             "ask for a level that somebody has, or give an agent a higher one");
      }
    });
    if (findings_.size() > before || required.empty()) return;
    const bool anybody = std::ranges::any_of(
        crew.agents, [&](const AgentOptions* agent) { return required.met_by(agent->skills); });
    if (!anybody) {
      warn("nobody-qualifies", pointer, "no agent" + crew.name + " has all of '" + required.text() + "'",
           "ask for less, or give one agent all that is missing");
    }
  }

  void warn(std::string rule, const std::string& pointer, std::string message, std::string mend) {
    // A skill may be named more than once: == is two comparisons.
    Finding finding{std::move(rule), Severity::warning, pointer, std::move(message), std::move(mend)};
    if (std::ranges::find(findings_, finding) == findings_.end()) findings_.push_back(std::move(finding));
  }

  const Site& site_;
  Crew all_;
  absl::flat_hash_map<std::string, const AgentOptions*> by_id_;
  std::vector<std::string> skills_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> check_site(const Site& site) { return SiteChecker(site).findings(); }

}  // namespace ivr
