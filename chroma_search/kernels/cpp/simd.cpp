#include "simd.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

#if defined(_MSC_VER)
#define RESTRICT __restrict
#else
#define RESTRICT __restrict__
#endif
#if defined(__clang__)
#define FUSED
#define FUSED_HERE _Pragma("clang fp contract(fast)")
#elif defined(__GNUC__)
#define FUSED __attribute__((optimize("fp-contract=fast")))
#define FUSED_HERE
#else
#define FUSED
#define FUSED_HERE
#endif

namespace baseline {
#define LANES 4
#include "simd_loops.inc"
#include "simd_sketches.inc"
#undef LANES
constexpr Simd loops{"baseline", l2, dot, exact_l2, exact_dot, code_product, codes_product, code_products, sketch_products,
                     sketch_estimates, signs_products, least_by_signs, hadamard, along_axes, off_axes,
                     positions_set, positions_within};
}  // namespace baseline

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAS_AVX2
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace avx2 {
#define LANES 8
#include "simd_loops.inc"
#include "simd_sketches.inc"
#undef LANES
constexpr Simd loops{"avx2", l2, dot, exact_l2, exact_dot, code_product, codes_product, code_products, sketch_products,
                     sketch_estimates, signs_products, least_by_signs, hadamard, along_axes, off_axes,
                     positions_set, positions_within};
}  // namespace avx2
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,fma,prefer-vector-width=512")
#endif
namespace avx512 {
#define LANES 16
#include "simd_loops.inc"
#include "simd_sketches.inc"
#undef LANES
constexpr Simd loops{"avx512", l2, dot, exact_l2, exact_dot, code_product, codes_product, code_products, sketch_products,
                     sketch_estimates, signs_products, least_by_signs, hadamard, along_axes, off_axes,
                     positions_set, positions_within};
}  // namespace avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

static const Simd& best() {
  __builtin_cpu_init();
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const char* asked = std::getenv("CHROMA_SEARCH_INSTRUCTIONS");  // tests ask for less than there is
  const std::string most = asked ? asked : "avx512";
  if (has_avx512 && has_avx2 && most == "avx512") return avx512::loops;
  return has_avx2 && most != "baseline" ? avx2::loops : baseline::loops;
}
#else
static const Simd& best() { return baseline::loops; }
#endif

const Simd& simd = best();
