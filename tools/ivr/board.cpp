#include "board.hpp"

#include <cstdio>

namespace {

using namespace std::chrono_literals;

std::string mark(const ivr::Router::AgentView& agent) {
  switch (agent.state) {
    case ivr::AgentState::on_call: return "talks";
    case ivr::AgentState::wrap_up: return "wrap-up";
    case ivr::AgentState::on_break: return "break";
    case ivr::AgentState::offline: return "offline";
    case ivr::AgentState::available: break;
  }
  if (agent.unavailable == ivr::Unavailable::ringing) return "rings";
  return agent.unavailable == ivr::Unavailable::unreachable ? "unreachable" : "free";
}

}  // namespace

void Board::show() {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < 250ms) return;
  looked_ = now;
  const auto agents = engine_.agents();
  const auto queues = engine_.queues();
  if (!agents.ok() || !queues.ok()) return;
  std::string line;
  for (const auto& queue : *queues) {
    line += (line.empty() ? "" : " · ") + queue.id + " " + std::to_string(queue.waiting) + " waiting, " +
            std::to_string(queue.talking) + " talking";
  }
  std::string desk;
  for (const auto& agent : *agents) {
    desk += (desk.empty() ? "" : " · ") + agent.id + " " + mark(agent);
    if (agent.contacts > 0)
      desk += " " + std::to_string(agent.contacts) + "/" + std::to_string(agent.capacity);
  }
  line += "  |  " + desk;
  if (line == last_) return;
  last_ = line;
  std::printf("%8.2f s  %s\n", std::chrono::duration<double>(now - started_).count(), line.c_str());
  std::fflush(stdout);
}
