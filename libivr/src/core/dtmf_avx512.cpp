#include "core/dtmf_routines.hpp"
namespace ivr {
const DtmfRoutines* dtmf_avx512() { return nullptr; }
}  // namespace ivr
