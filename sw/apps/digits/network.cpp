#include "network.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace rdu::digits {

namespace {

constexpr uint64_t kBf16 = 2, kFp32 = 4;
constexpr const char* kFused = "digits_fused";
constexpr const char* kUnfused[] = {"digits_matmul1", "digits_bias_relu", "digits_matmul2", "digits_softmax"};
constexpr uint64_t kWeightBytes =
    kPixels * kHidden * kBf16 + kHidden * kFp32 + kHidden * kClasses * kBf16 + kClasses * kFp32;

uint64_t aligned(uint64_t bytes) {
  return (bytes + RDU_MEMORY_ALIGNMENT - 1) / RDU_MEMORY_ALIGNMENT * RDU_MEMORY_ALIGNMENT;
}

rdu_memory_counters difference(const rdu_memory_counters& after, const rdu_memory_counters& before) {
  return {after.hbm_read - before.hbm_read,   after.hbm_written - before.hbm_written,
          after.ddr_read - before.ddr_read,   after.ddr_written - before.ddr_written,
          after.host_read - before.host_read, after.host_written - before.host_written};
}

}  // namespace

uint64_t RunResult::load_ns() const {
  return std::accumulate(kernels.begin(), kernels.end(), uint64_t{0},
                         [](uint64_t sum, const KernelTime& k) { return sum + k.load_ns; });
}

uint64_t RunResult::execute_ns() const {
  return std::accumulate(kernels.begin(), kernels.end(), uint64_t{0},
                         [](uint64_t sum, const KernelTime& k) { return sum + k.execute_ns; });
}

bool RunResult::same_bits(const RunResult& other) const {
  return probabilities.size() == other.probabilities.size() &&
         std::memcmp(probabilities.data(), other.probabilities.data(),
                     probabilities.size() * sizeof(float)) == 0;
}

Network::Network(const Device& device, const Images& images, const Weights& weights,
                 const std::string& folder, bool fused, bool unfused, Timeout timeout)
    : device_(device), timeout_(timeout), images_(images.count) {
  std::vector<std::pair<std::string, std::vector<uint8_t>>> containers;
  if (fused) containers.emplace_back(kFused, read_program(folder, kFused));
  if (unfused)
    for (const char* name : kUnfused) containers.emplace_back(name, read_program(folder, name));

  // Programs decide how many rows of padding the arrays have, but need a context to be created in. So the
  // context has room for the most that the padding can be.
  constexpr uint64_t kMostPadding = 4096;
  const uint64_t most_rows = images.count + kMostPadding;
  hbm_bytes_ = aligned(kWeightBytes + 4 * RDU_MEMORY_ALIGNMENT) + aligned(most_rows * kPixels * kBf16) +
               2 * aligned(most_rows * kClasses * kFp32);
  if (unfused)
    hbm_bytes_ += aligned(most_rows * kHidden * kFp32) + aligned(most_rows * kHidden * kBf16) +
                  aligned(most_rows * kClasses * kFp32);
  for (const auto& container : containers) hbm_bytes_ += aligned(container.second.size());
  ddr_bytes_ = aligned(kWeightBytes + 4 * RDU_MEMORY_ALIGNMENT);
  context_ = std::make_unique<Context>(device, hbm_bytes_, ddr_bytes_);
  queue_ = std::make_unique<Queue>(*context_);

  uint64_t rows = images.count;  // of the arrays
  for (const auto& [name, container] : containers) {
    Kernel kernel = create(container, name);
    const RowRule rule = row_rule(kernel.program, name);
    kernel.rows = std::max(rule.minimum, images.count);
    kernel.rows = (kernel.rows + rule.multiple - 1) / rule.multiple * rule.multiple;
    if (kernel.rows > most_rows)
      throw std::runtime_error(
          fmt::format("{} wants {} rows for {} images", name, kernel.rows, images.count));
    rows = std::max(rows, kernel.rows);
    (name == kFused ? fused_ : unfused_).push_back(std::move(kernel));
  }
  // Every operator leaves valid rows for the next one.
  uint64_t unfused_rows = 0;
  for (const Kernel& kernel : unfused_) unfused_rows = std::max(unfused_rows, kernel.rows);
  for (Kernel& kernel : unfused_) {
    const RowRule rule = row_rule(kernel.program, kernel.name);
    if (unfused_rows % rule.multiple != 0)
      throw std::runtime_error(fmt::format("{} takes multiples of {} rows, its neighbours {} rows",
                                           kernel.name, rule.multiple, unfused_rows));
    kernel.rows = unfused_rows;
  }

  const auto hbm = [&](uint64_t bytes) { return Memory(*context_, RDU_TIER_HBM, bytes); };
  w1_ = hbm(kPixels * kHidden * kBf16);
  b1_ = hbm(kHidden * kFp32);
  w2_ = hbm(kHidden * kClasses * kBf16);
  b2_ = hbm(kClasses * kFp32);
  x_ = hbm(rows * kPixels * kBf16);
  if (unfused) {
    acc_ = hbm(rows * kHidden * kFp32);
    h_ = hbm(rows * kHidden * kBf16);
    logits_ = hbm(rows * kClasses * kFp32);
    unfused_result_ = hbm(rows * kClasses * kFp32);
  }
  if (fused) fused_result_ = hbm(rows * kClasses * kFp32);
  staging_ = Memory(*context_, RDU_TIER_HOST, std::max(kWeightBytes, x_.size()));
  upload(images, weights);
}

std::vector<uint8_t> Network::read_program(const std::string& folder, const std::string& name) {
  const std::string path = (std::filesystem::path(folder) / (name + ".rdu")).string();
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(fmt::format("{}: {}", path, std::strerror(errno)));
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) throw std::runtime_error(fmt::format("{}: cannot be read", path));
  return bytes;
}

Network::Kernel Network::create(const std::vector<uint8_t>& container, const std::string& name) {
  try {
    return {name, Program(*queue_, container, timeout_), 0};
  } catch (const Error& error) {
    if (error.result() != RDU_ERROR_BAD_PROGRAM) throw;
    throw std::runtime_error(fmt::format("{}.rdu: {}", name, error.what()));
  }
}

Network::RowRule Network::row_rule(const Program& program, const std::string& name) {
  for (const rdu_argument_info& argument : program.arguments())
    if (std::string(argument.name) == "rows")
      return {argument.minimum, std::max<uint64_t>(argument.multiple, 1)};
  throw std::runtime_error(
      fmt::format("{} has no argument 'rows': it is another program than this application's", name));
}

// Weights go by way of DDR, where a model of many experts would keep them; images go to HBM at once.
void Network::upload(const Images& images, const Weights& weights) {
  struct Part {
    const void* data;
    const Memory* hbm;
  };
  const Part parts[] = {{weights.w1.data(), &w1_},
                        {weights.b1.data(), &b1_},
                        {weights.w2.data(), &w2_},
                        {weights.b2.data(), &b2_}};
  auto* const bytes = static_cast<uint8_t*>(staging_.pointer());
  std::vector<Memory> ddr;
  std::vector<Event> events;
  uint64_t offset = 0;
  queue_->begin_batch();
  for (const Part& part : parts) {
    std::memcpy(bytes + offset, part.data, part.hbm->size());
    ddr.emplace_back(*context_, RDU_TIER_DDR, part.hbm->size());
    events.push_back(queue_->copy(ddr.back(), 0, staging_, offset, part.hbm->size()));
    offset += part.hbm->size();
  }
  for (size_t i = 0; i < ddr.size(); ++i) events.push_back(queue_->copy(*parts[i].hbm, ddr[i]));
  queue_->end_batch();
  for (const Event& event : events) event.wait(timeout_);

  std::memset(bytes, 0, x_.size());  // padding is black images
  std::memcpy(bytes, images.pixels.data(), images.pixels.size() * sizeof(uint16_t));
  queue_->copy(x_, 0, staging_, 0, x_.size()).wait(timeout_);
}

RunResult Network::run_fused() {
  const Kernel& k = fused_.at(0);
  return run({{&k,
               {{"x", x_},
                {"w1", w1_},
                {"b1", b1_},
                {"w2", w2_},
                {"b2", b2_},
                {"probabilities", fused_result_},
                {"rows", k.rows}}}},
             fused_result_);
}

RunResult Network::run_unfused() {
  const uint64_t rows = unfused_.at(0).rows;
  return run({{&unfused_.at(0), {{"x", x_}, {"w1", w1_}, {"acc", acc_}, {"rows", rows}}},
              {&unfused_.at(1), {{"acc", acc_}, {"b1", b1_}, {"h", h_}, {"rows", rows}}},
              {&unfused_.at(2), {{"h", h_}, {"w2", w2_}, {"logits", logits_}, {"rows", rows}}},
              {&unfused_.at(3),
               {{"logits", logits_}, {"b2", b2_}, {"probabilities", unfused_result_}, {"rows", rows}}}},
             unfused_result_);
}

RunResult Network::run(const std::vector<std::pair<const Kernel*, std::vector<Argument>>>& kernels,
                       const Memory& result) {
  const uint64_t bytes = images_ * kClasses * kFp32;
  // Not-a-number where the result will be, so that what a kernel does not write cannot pass for its result.
  std::memset(staging_.pointer(), 0xff, bytes);
  queue_->copy(result, 0, staging_, 0, bytes).wait(timeout_);

  RunResult r;
  const rdu_memory_counters before = device_.memory_counters();
  const uint64_t begin = device_.time();
  std::vector<std::pair<Event, Event>> events;
  queue_->begin_batch();
  for (const auto& [kernel, arguments] : kernels) {
    Event load = queue_->load(kernel->program);
    events.emplace_back(std::move(load), queue_->launch(kernel->program, arguments));
  }
  queue_->end_batch();
  events.back().second.wait(timeout_);
  r.total_ns = device_.time() - begin;
  r.bytes = difference(device_.memory_counters(), before);

  for (size_t i = 0; i < kernels.size(); ++i) {
    const auto& [load, launch] = events[i];
    load.wait(timeout_);
    launch.wait(timeout_);
    const rdu_event_info l = load.info(), x = launch.info();
    r.kernels.push_back(
        {kernels[i].first->name, l.end_ns - l.start_ns, x.end_ns - x.start_ns, l.cycles, x.cycles});
  }
  r.activity = device_.activity();
  queue_->copy(staging_, 0, result, 0, bytes).wait(timeout_);
  r.probabilities.resize(images_ * kClasses);
  std::memcpy(r.probabilities.data(), staging_.pointer(), bytes);
  return r;
}

}  // namespace rdu::digits
