#pragma once
#include <cstdint>

namespace ivr {

// 32 bits that nobody can guess, from the system's generator, read ahead. std::random_device asks the
// processor for its name each time it is made, and in a virtual machine that alone takes tens of
// microseconds.
//
// Thread: any.
std::uint32_t random_bits();

}  // namespace ivr
