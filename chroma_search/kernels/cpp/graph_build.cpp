// Inserting rows into an HNSW graph, without the GIL: algorithms 1, 2 and 4 of Malkov and Yashunin (2018), as hnswlib has them
// (no extension of candidates, pruned ones not kept, all of them taken where they are fewer than the links wanted).
//
// Two things are other than there. Distances are those of codes of a byte per element, where there are some: a quarter of the
// memory to wait for, and twice the elements in a register. And the length of each link is remembered while the graph is
// built: a row whose links are full measures none of them again.
#include "graph_build.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace {
constexpr size_t AHEAD = 4;  // points fetched before they are measured
constexpr size_t LINE = 64;
constexpr size_t HUGE_PAGE = size_t{1} << 21;  // each jump to another row would look up its page in memory, too
constexpr float UNKNOWN = std::numeric_limits<float>::quiet_NaN();
}  // namespace

Points::Points(const py::tuple& of)
    : is_coded_(!of[0].is_none()),
      is_product_(of[5].cast<bool>()),
      floats_(is_coded_ ? py::object(Array<float>(0)) : py::object(of[4])) {
  n_ = floats_.size();
  dim_ = floats_.width();
  if (!is_coded_) return;
  const Rows<int8_t> codes(of[0]);
  const Rows<float> scales(of[1]), offsets(of[2]), factors(of[3]);
  n_ = codes.size();
  dim_ = codes.width();
  for (const auto* each : {&scales, &offsets, &factors})
    if (each->size() != n_ && (each == &scales || each->size())) throw py::value_error("arrays of other lengths");
  stride_ = (offsetof(Code, values) + dim_ + LINE - 1) / LINE * LINE;
  const size_t alignment = n_ * stride_ >= HUGE_PAGE ? HUGE_PAGE : LINE;
  memory_.reset(new uint8_t[n_ * stride_ + alignment]);
  packed_ = memory_.get() + (alignment - reinterpret_cast<uintptr_t>(memory_.get()) % alignment) % alignment;
#if defined(__linux__)
  if (alignment == HUGE_PAGE) madvise(packed_, n_ * stride_, MADV_HUGEPAGE);  // advice: an error changes nothing
#endif
  codes.check(0, n_);
  for (size_t row = 0; row < n_; ++row) {
    const auto at = static_cast<int64_t>(row);
    auto* const to = reinterpret_cast<Code*>(packed_ + row * stride_);
    const float scale = to->scale = *scales[at];
    to->factor = factors.size() ? *factors[at] : 1.0f;
    to->offset = offsets.size() ? *offsets[at]
                                : scale * scale * static_cast<float>(simd.codes_product(codes[at], codes[at], dim_));
    std::copy(codes[at], codes[at] + dim_, to->values);
  }
}

GraphBuilder::GraphBuilder(const py::tuple& points, Array<int32_t> links, Array<int32_t> upper_links,
                           const Array<int32_t>& levels, int64_t entry, size_t ef_construction)
    : points_(points),
      links_of_(std::move(links)),
      upper_links_of_(std::move(upper_links)),
      links_(links_of_.mutable_data()),
      upper_links_(upper_links_of_.mutable_data()),
      levels_(levels.data(), levels.data() + levels.size()),
      width_(static_cast<size_t>(links_of_.shape(1))),
      upper_width_(static_cast<size_t>(upper_links_of_.shape(1))),
      entry_(entry),
      beam_(std::max(ef_construction, upper_width_)) {
  const size_t n = levels_.size(), n_upper = static_cast<size_t>(upper_links_of_.shape(0));
  if (points_.size() != n || static_cast<size_t>(links_of_.shape(0)) != n) throw py::value_error("arrays of other lengths");
  upper_start_.resize(n);
  int64_t start = 0;
  for (size_t row = 0; row < n; ++row) {
    upper_start_[row] = start;
    start += levels_[row];
  }
  if (static_cast<size_t>(start) != n_upper) throw py::value_error("upper_links has another length than the levels say");
  const auto count = [](const int32_t* of, size_t lists, size_t width, std::vector<int32_t>& counts) {
    counts.resize(lists);
    for (size_t i = 0; i < lists; ++i)
      counts[i] = static_cast<int32_t>(std::find(of + i * width, of + (i + 1) * width, -1) - (of + i * width));
  };
  count(links_, n, width_, counts_);
  count(upper_links_, n_upper, upper_width_, upper_counts_);
  distances_.assign(n * width_, UNKNOWN);
  upper_distances_.assign(n_upper * upper_width_, UNKNOWN);
  marks_.assign(n, 0);
}

void GraphBuilder::insert(const Array<int64_t>& rows) {
  const int64_t* const which = rows.data();
  const py::ssize_t n = rows.size();
  for (py::ssize_t i = 0; i < n; ++i)
    if (which[i] < 0 || which[i] >= static_cast<int64_t>(levels_.size())) throw py::index_error("there is no such row");
  py::gil_scoped_release free;
  for (py::ssize_t i = 0; i < n; ++i) insert(which[i]);
}

GraphBuilder::List GraphBuilder::list(int64_t row, int64_t layer) {
  const auto at = static_cast<size_t>(row);
  if (layer == 0) return {links_ + at * width_, distances_.data() + at * width_, &counts_[at], width_};
  const auto upper = static_cast<size_t>(upper_start_[at] + layer - 1);
  return {upper_links_ + upper * upper_width_, upper_distances_.data() + upper * upper_width_, &upper_counts_[upper],
          upper_width_};
}

void GraphBuilder::insert(int64_t row) {
  if (entry_ < 0) {
    entry_ = row;
    return;
  }
  const int64_t level = levels_[static_cast<size_t>(row)], top = levels_[static_cast<size_t>(entry_)];
  Near nearest{entry_, points_.between(row, entry_)};
  for (int64_t layer = top; layer > level; --layer) nearest = walk_down(row, nearest, layer);
  for (int64_t layer = std::min(level, top); layer >= 0; --layer) {
    search(row, nearest, layer);
    candidates_.clear();
    for (size_t at = 0; at < beam_.size(); ++at) candidates_.push_back({beam_.row(at), beam_.distance(at)});
    nearest = candidates_[0];
    choose(candidates_, upper_width_);
    const List own = list(row, layer);
    for (size_t i = 0; i < chosen_.size(); ++i) {
      own.rows[i] = static_cast<int32_t>(chosen_[i].row);
      own.distances[i] = chosen_[i].distance;
    }
    *own.count = static_cast<int32_t>(chosen_.size());
    const std::vector<Near> linked = chosen_;
    for (const Near& other : linked) connect(other.row, {row, other.distance}, layer);
  }
  if (level > top) entry_ = row;
}

// Follow the links of a layer to ever nearer rows.
GraphBuilder::Near GraphBuilder::walk_down(int64_t row, Near nearest, int64_t layer) {
  for (bool has_improved = true; has_improved;) {
    has_improved = false;
    const List links = list(nearest.row, layer);
    for (int32_t i = 0; i < *links.count; ++i) {
      const float distance = points_.between(row, links.rows[i]);
      if (distance < nearest.distance) {
        nearest = {links.rows[i], distance};
        has_improved = true;
      }
    }
  }
  return nearest;
}

// Fill the beam with the rows of a layer nearest to a row.
void GraphBuilder::search(int64_t row, Near from, int64_t layer) {
  if (++mark_ == 0) {
    std::fill(marks_.begin(), marks_.end(), 0);
    mark_ = 1;
  }
  beam_.clear();
  marks_[static_cast<size_t>(from.row)] = marks_[static_cast<size_t>(row)] = mark_;
  size_t at = beam_.insert(from.distance, from.row);
  while (at < beam_.size()) {
    if (beam_.is_expanded(at)) {
      ++at;
      continue;
    }
    const List links = list(beam_.row(at), layer);
    if (at + 1 < beam_.size()) prefetch(list(beam_.row(at + 1), layer).rows, links.room * sizeof(int32_t));
    beam_.expand(at);
    met_.clear();
    for (size_t i = 0; i < links.room && links.rows[i] >= 0; ++i) {
      const int32_t other = links.rows[i];
      if (marks_[static_cast<size_t>(other)] == mark_) continue;
      marks_[static_cast<size_t>(other)] = mark_;
      met_.push_back(other);
    }
    size_t lowest = at + 1;
    for (size_t i = 0; i < std::min(AHEAD, met_.size()); ++i) points_.prefetch(met_[i]);
    for (size_t i = 0; i < met_.size(); ++i) {
      if (i + AHEAD < met_.size()) points_.prefetch(met_[i + AHEAD]);
      lowest = std::min(lowest, beam_.insert(points_.between(row, met_[i]), met_[i]));
    }
    at = lowest;
  }
}

// Choose links among candidates, nearest first: one that is nearer to a chosen one than to the row itself is reached
// through that.
void GraphBuilder::choose(const std::vector<Near>& candidates, size_t room) {
  chosen_.clear();
  if (candidates.size() < room) {
    chosen_ = candidates;
    return;
  }
  for (const Near& candidate : candidates) {
    const bool is_apart = std::none_of(chosen_.begin(), chosen_.end(), [&](const Near& each) {
      return points_.between(candidate.row, each.row) < candidate.distance;
    });
    if (is_apart) chosen_.push_back(candidate);
    if (chosen_.size() == room) return;
  }
}

// Add a link to those of a row, or choose among all of them where there is no room.
void GraphBuilder::connect(int64_t row, Near to, int64_t layer) {
  const List links = list(row, layer);
  const auto count = static_cast<size_t>(*links.count);
  if (count < links.room) {
    links.rows[count] = static_cast<int32_t>(to.row);
    links.distances[count] = to.distance;
    ++*links.count;
    return;
  }
  candidates_.assign(1, to);
  for (size_t i = 0; i < count; ++i) {
    if (std::isnan(links.distances[i])) links.distances[i] = points_.between(row, links.rows[i]);
    candidates_.push_back({links.rows[i], links.distances[i]});
  }
  std::sort(candidates_.begin(), candidates_.end(), [](const Near& a, const Near& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.row < b.row;
  });
  choose(candidates_, links.room);
  for (size_t i = 0; i < links.room; ++i) {
    links.rows[i] = i < chosen_.size() ? static_cast<int32_t>(chosen_[i].row) : -1;
    links.distances[i] = i < chosen_.size() ? chosen_[i].distance : UNKNOWN;
  }
  *links.count = static_cast<int32_t>(chosen_.size());
}
