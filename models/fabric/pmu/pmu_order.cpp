#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <optional>

#include "fabric/pmu/pmu_config.h"

namespace rdu::fabric {
namespace {

using Pipeline = PmuPipelineConfig;
constexpr size_t kAll = 2 * PmuConfig::kPipelines;
constexpr unsigned kMostTokens = 255;  ///< that a counter of 8 bits holds
constexpr int64_t kNever = int64_t{1} << 40;

/// Who gives and who takes a token.
struct TokenUse {
  std::optional<size_t> giver;
  std::optional<size_t> taker;
};

class Order {
 public:
  explicit Order(const PmuConfig& config) : config_(config), all_(config.all()) {}

  void check_tokens() {
    for (unsigned t = 0; t < PmuConfig::kTokens; ++t) {
      TokenUse& token = tokens_[t];
      for (size_t i = 0; i < kAll; ++i) {
        if (!all_[i]->enabled) continue;
        if ((all_[i]->give >> t & 1) != 0) only(token.giver, i, t, "given");
        if ((all_[i]->wait >> t & 1) != 0) only(token.taker, i, t, "taken");
      }
      if (token.giver && !token.taker) {
        throw BadConfig(fmt::format("{} gives token {}, which nobody waits for", name(*token.giver), t));
      }
    }
    for (unsigned t = 0; t < PmuConfig::kTokens; ++t) check_count(t);
    for (unsigned output = 0; output < 2; ++output) {
      std::optional<size_t> sender;
      for (size_t i = 0; i < kAll; ++i) {
        if (!all_[i]->enabled || (all_[i]->out >> output & 1) == 0) continue;
        if (sender) {
          throw BadConfig(
              fmt::format("{} and {} both send tokens on control output {}", name(*sender), name(i), output));
        }
        sender = i;
      }
    }
  }

  void check_pairs() {
    find_lags();
    for (size_t a = 0; a < kAll; ++a) {
      for (size_t b = a + 1; b < kAll; ++b) {
        if (!all_[a]->enabled || !all_[b]->enabled) continue;
        if (all_[a]->kind == Pipeline::Kind::read && all_[b]->kind == Pipeline::Kind::read) continue;
        if (interleaved(*all_[a], *all_[b])) continue;
        check_pair(a, b);
      }
    }
  }

 private:
  std::string name(size_t i) const { return all_[i]->name(); }

  void only(std::optional<size_t>& who, size_t i, unsigned token, const char* what) {
    if (who) {
      throw BadConfig(fmt::format("token {} is {} by {} and by {}", token, what, name(*who), name(i)));
    }
    who = i;
  }

  /// A fill takes one of each of its tokens, and gives others when it is over: what goes round between two
  /// pipelines never becomes more.
  void check_count(unsigned t) const {
    const TokenUse& token = tokens_[t];
    if (!token.giver || token.giver == token.taker) return;
    uint64_t most = config_.tokens[t] + all_[*token.giver]->fills;
    for (unsigned back = 0; back < PmuConfig::kTokens; ++back) {
      if (tokens_[back].giver != token.taker || tokens_[back].taker != token.giver) continue;
      most = std::min<uint64_t>(most, config_.tokens[t] + config_.tokens[back]);
    }
    if (most > kMostTokens) {
      throw BadConfig(fmt::format("token {} can become {}, more than {}", t, most, kMostTokens));
    }
  }

  void find_lags() {
    for (auto& row : lag_) row.fill(kNever);
    for (unsigned t = 0; t < PmuConfig::kTokens; ++t) {
      if (!tokens_[t].giver || tokens_[t].giver == tokens_[t].taker) continue;
      int64_t& lag = lag_[*tokens_[t].giver][*tokens_[t].taker];
      lag = std::min<int64_t>(lag, config_.tokens[t]);
    }
    for (size_t via = 0; via < kAll; ++via) {
      for (size_t from = 0; from < kAll; ++from) {
        for (size_t to = 0; to < kAll; ++to) {
          lag_[from][to] = std::min(lag_[from][to], lag_[from][via] + lag_[via][to]);
        }
      }
    }
  }

  /// Do they touch different bytes of the same grid?
  static bool interleaved(const Pipeline& a, const Pipeline& b) {
    if (a.address == Pipeline::Address::index || b.address == Pipeline::Address::index) return false;
    int64_t grid = 0;
    for (const Pipeline* p : {&a, &b}) {
      grid = std::gcd(grid, p->grid());
      if (p->buffers > 1) grid = std::gcd(grid, static_cast<int64_t>(p->buffer_size));
    }
    if (grid == 0) return false;
    const int64_t apart = b.base + b.lane_low() - a.base - a.lane_low();
    const int64_t d = ((apart % grid) + grid) % grid;
    return a.width() <= d && d + b.width() <= grid;
  }

  static bool meet(const Pipeline& a, uint64_t buffer_a, const Pipeline& b, uint64_t buffer_b) {
    const auto shift_a = static_cast<int64_t>(buffer_a * a.buffer_size);
    const auto shift_b = static_cast<int64_t>(buffer_b * b.buffer_size);
    return a.low < a.high && b.low < b.high && a.low + shift_a < b.high + shift_b &&
           b.low + shift_b < a.high + shift_a;
  }

  /// Fills i of a and j of b are ordered if i - j <= -lag(a, b) or i - j >= lag(b, a). Of all differences
  /// with the same remainder modulo the buffers, that nearest to 0 has fills that all others have.
  void check_pair(size_t a, size_t b) const {
    const Pipeline& pa = *all_[a];
    const Pipeline& pb = *all_[b];
    const int64_t after_a = lag_[a][b];
    const int64_t after_b = lag_[b][a];
    const auto na = static_cast<int64_t>(pa.buffers);
    const auto nb = static_cast<int64_t>(pb.buffers);
    for (int64_t d = -nb; d <= na; ++d) {
      if (d <= -after_a || d >= after_b) continue;
      const int64_t first = std::max<int64_t>(0, -d);
      const int64_t last = std::min(static_cast<int64_t>(pb.fills), static_cast<int64_t>(pa.fills) - d) - 1;
      for (int64_t j = first; j <= std::min(last, first + std::lcm(na, nb) - 1); ++j) {
        const int64_t i = j + d;
        if (!meet(pa, static_cast<uint64_t>(i % na), pb, static_cast<uint64_t>(j % nb))) continue;
        throw BadConfig(
            fmt::format("fill {} of {} and fill {} of {} can touch the same bytes, and no tokens order them",
                        i, pa.name(), j, pb.name()));
      }
    }
  }

  const PmuConfig& config_;
  std::array<const Pipeline*, kAll> all_;
  std::array<TokenUse, PmuConfig::kTokens> tokens_;
  std::array<std::array<int64_t, kAll>, kAll> lag_{};
};

}  // namespace

void check_order(const PmuConfig& config) {
  Order order(config);
  order.check_tokens();
  order.check_pairs();
}

}  // namespace rdu::fabric
