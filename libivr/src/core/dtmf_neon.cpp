#include "core/dtmf_routines.hpp"
namespace ivr {
const DtmfRoutines* dtmf_neon() { return nullptr; }
}  // namespace ivr
