#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "ivr/flow_run.hpp"

// What one step of a flow costs, and whether it allocates.

namespace {

std::size_t allocations = 0;

}  // namespace

__attribute__((noinline)) void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void* p) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace {

using namespace ivr;

std::shared_ptr<const Flow> load(const std::string& json) {
  auto flow = Flow::load(json);
  if (!flow.ok()) {
    std::fprintf(stderr, "%s\n", std::string(flow.status().message()).c_str());
    std::exit(1);
  }
  return *std::move(flow);
}

// One turn: a key, then a counter and a row of decisions, and the next key.
std::shared_ptr<const Flow> deciding() {
  std::string nodes;
  for (int i = 0; i < 6; ++i) {
    nodes.append("\"d").append(std::to_string(i)).append(R"(": {"type": "decision", "cases": [
        {"if": "amount > 1000 and language == 'ar'", "next": "end"},
        {"if": "tier == 'gold' or call.caller == '1234'", "next": "end"}], "else": ")");
    nodes.append(i < 5 ? "d" : "menu").append(i < 5 ? std::to_string(i + 1) : "").append("\"},");
  }
  return load(R"({"ivr": 1, "id": "b", "start": "menu", "on_error": "end",
    "variables": {"n": 0, "amount": 5, "tier": "tin"}, "nodes": {
    "menu": {"type": "menu", "keys": {"1": "count", "2": "end"}, "invalid": "end", "no_input": "end"},
    "count": {"type": "set", "set": {"n": {"expression": "n + 1"}}, "next": "d0"},)" +
              nodes + R"("end": {"type": "hangup"}}})");
}

std::shared_ptr<const Flow> menu(const std::string& say) {
  return load(
      R"({"ivr": 1, "id": "b", "start": "menu", "nodes": {
    "menu": {"type": "menu", )" +
      say +
      R"("keys": {"1": "menu", "2": "end"}, "invalid": "end", "no_input": "end", "error": "end"}, "end": {"type": "hangup"}}})");
}

// Steps with the same outcome over and over; counts nodes left, and allocations once warm. Outcomes and
// output are made outside of what is measured, as a session keeps its own.
void run(benchmark::State& state, const std::shared_ptr<const Flow>& flow, const Outcome& outcome) {
  FlowRun call(flow, {.fuel = 1 << 30});
  ScriptOutput out;
  Time now{};
  call.step(outcome::Started{{.id = "b", .caller = "1001", .called = "2001"}}, now, out);
  std::size_t nodes = 0;
  for (int i = 0; i < 100; ++i) out.clear(), call.step(outcome, now, out);
  for (const Note& n : out.notes) nodes += std::holds_alternative<note::NodeLeft>(n);
  const std::size_t before = allocations;
  std::size_t steps = 0;
  for (auto _ : state) {
    out.clear();
    call.step(outcome, now, out);
    benchmark::DoNotOptimize(out.intent.data());
    ++steps;
  }
  state.counters["nodes/step"] = static_cast<double>(nodes);
  state.SetItemsProcessed(static_cast<std::int64_t>(nodes * steps));
  state.counters["allocs/step"] = static_cast<double>(allocations - before) / static_cast<double>(steps);
}

void BM_SixDecisionsAndACounter(benchmark::State& state) {
  run(state, deciding(), outcome::Collected{"1", outcome::CollectEnd::full});
}
BENCHMARK(BM_SixDecisionsAndACounter);

void BM_MenuKeyWithoutPrompt(benchmark::State& state) {
  run(state, menu(""), outcome::Collected{"1", outcome::CollectEnd::full});
}
BENCHMARK(BM_MenuKeyWithoutPrompt);

void BM_MenuKeyWithPrompt(benchmark::State& state) {
  run(state, menu(R"("say": "For sales press one, for support press two.", )"),
      outcome::Collected{"1", outcome::CollectEnd::full});
}
BENCHMARK(BM_MenuKeyWithPrompt);

// The median of single steps, clock readings included: what GOALS calls a flow step.
void BM_MedianOfSingleSteps(benchmark::State& state) {
  const auto flow = menu("");
  FlowRun call(flow, {.fuel = 1 << 30});
  ScriptOutput out;
  const Outcome key = outcome::Collected{"1", outcome::CollectEnd::full};
  call.step(outcome::Started{{.id = "b"}}, Time{}, out);
  std::vector<double> ns;
  ns.reserve(1 << 20);
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    out.clear();
    call.step(key, Time{}, out);
    const auto end = std::chrono::steady_clock::now();
    if (ns.size() < ns.capacity())
      ns.push_back(std::chrono::duration<double, std::nano>(end - begin).count());
  }
  std::sort(ns.begin(), ns.end());
  state.counters["median_ns"] = ns[ns.size() / 2];
  state.counters["p99.9_ns"] = ns[ns.size() * 999 / 1000];
}
BENCHMARK(BM_MedianOfSingleSteps);

void BM_LoadAndCheckAHundredNodes(benchmark::State& state) {
  std::string nodes;
  for (int i = 0; i < 100; ++i) {
    nodes.append("\"n")
        .append(std::to_string(i))
        .append(R"(": {"type": "menu", "say": "Press one or two.",)");
    nodes.append(R"("keys": {"1": "n)").append(std::to_string((i + 1) % 100));
    nodes.append(R"(", "2": "end"}, "invalid": "end", "no_input": "end"},)");
  }
  const std::string json = R"({"ivr": 1, "id": "b", "start": "n0", "on_error": "end", "nodes": {)" + nodes +
                           R"("end": {"type": "hangup"}}})";
  for (auto _ : state) benchmark::DoNotOptimize(Flow::load(json));
}
BENCHMARK(BM_LoadAndCheckAHundredNodes)->Unit(benchmark::kMillisecond);

void BM_NewCall(benchmark::State& state) {
  const auto flow = deciding();
  const std::size_t before = allocations;
  for (auto _ : state) {
    FlowRun call(flow);
    benchmark::DoNotOptimize(&call);
  }
  state.counters["allocs"] =
      static_cast<double>(allocations - before) / static_cast<double>(state.iterations());
}
BENCHMARK(BM_NewCall);

}  // namespace

BENCHMARK_MAIN();
