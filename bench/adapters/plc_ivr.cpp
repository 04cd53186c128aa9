// Our concealment for bench/harness/plc_bench.
#include "../harness/plc_adapter.h"
#include "ivr/concealment.hpp"

namespace {

std::span<std::int16_t> frame(std::int16_t* pcm, int n) { return {pcm, static_cast<std::size_t>(n)}; }

void* create() { return new ivr::Concealer; }
void destroy(void* concealer) { delete static_cast<ivr::Concealer*>(concealer); }
void good(void* concealer, std::int16_t* pcm, int n) {
  static_cast<ivr::Concealer*>(concealer)->received(frame(pcm, n));
}
void fill(void* concealer, std::int16_t* pcm, int n) {
  static_cast<ivr::Concealer*>(concealer)->conceal(frame(pcm, n));
}

constexpr plc_adapter kAdapter = {1, "ivr", 0, create, destroy, good, fill};

}  // namespace

extern "C" const plc_adapter* plc_adapter_get(void) { return &kAdapter; }
