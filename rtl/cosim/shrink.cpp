#include "cosim/shrink.h"

#include <algorithm>

#include "core/error.h"

namespace rdu::cosim {
namespace {

class Shrinker {
 public:
  Shrinker(const Stimulus& stimulus, const std::function<bool(const Stimulus&)>& fails,
           const ShrinkOptions& options)
      : best_(stimulus), fails_(fails), options_(options) {}

  Shrunk run() {
    do {
      helped_ = false;
      cut_cycles();
      cut_lists();
      reduce_configuration();
      clear_data();
      make_early();
    } while (helped_ && !is_over_);
    return {best_, tries_, !is_over_};
  }

 private:
  /// A list of the stimulus.
  template <class Item>
  using List = std::function<std::vector<Item>&(Stimulus&)>;

  bool attempt(const Stimulus& candidate) {
    is_over_ =
        is_over_ || tries_ >= options_.most_tries || (options_.goes_on && !options_.goes_on(best_, tries_));
    if (is_over_) return false;
    ++tries_;
    try {
      candidate.check();
      if (!fails_(candidate)) return false;
    } catch (const core::Error& e) {
      if (e.kind() != core::ErrorKind::bad_input) throw;
      return false;
    }
    best_ = candidate;
    helped_ = true;
    return true;
  }

  /// Tries a change of items [begin, end) of n: of large parts first. `change` returns whether there was
  /// anything to change; `count` how many items there are now.
  template <class Count, class Change>
  void by_parts(Count count, Change change) {
    for (size_t part = count(); part != 0; part /= 2) {
      // From the back: what comes later depends on what comes earlier.
      for (size_t end = count(); end != 0 && !is_over_;) {
        const size_t begin = end > part ? end - part : 0;
        Stimulus candidate = best_;
        if (change(candidate, begin, end)) attempt(candidate);
        end = std::min(begin, count());
      }
    }
  }

  void cut_cycles() {
    uint64_t low = 0;  // is too short
    for (uint64_t high = best_.cycles; high - low > 1 && !is_over_;) {
      Stimulus candidate = best_;
      candidate.cycles = low + (high - low) / 2;
      if (attempt(candidate)) {
        high = candidate.cycles;
      } else {
        low = candidate.cycles;
      }
    }
  }

  template <class Item>
  void cut(const List<Item>& list) {
    by_parts([&] { return list(best_).size(); },
             [&](Stimulus& candidate, size_t begin, size_t end) {
               auto& items = list(candidate);
               items.erase(items.begin() + static_cast<long>(begin), items.begin() + static_cast<long>(end));
               return true;
             });
  }

  template <class Use>
  void each_list(Use use) {
    for (size_t i = 0; i < best_.packets.size(); ++i)
      use(List<Stimulus::Packet>([i](Stimulus & s) -> auto& { return s.packets[i]; }));
    for (size_t i = 0; i < best_.scalars.size(); ++i)
      use(List<Stimulus::Word>([i](Stimulus & s) -> auto& { return s.scalars[i]; }));
    for (size_t i = 0; i < best_.tokens.size(); ++i)
      use(List<uint64_t>([i](Stimulus & s) -> auto& { return s.tokens[i]; }));
  }

  void cut_lists() {
    each_list([&](const auto& list) { cut(list); });
    for (size_t i = 0; i < best_.credits.size(); ++i)
      cut(List<uint64_t>([i](Stimulus & s) -> auto& { return s.credits[i].back; }));
    for (size_t i = 0; i < best_.scalar_credits.size(); ++i)
      cut(List<uint64_t>([i](Stimulus & s) -> auto& { return s.scalar_credits[i].back; }));
    by_parts([&] { return best_.scratchpad.size(); },
             [](Stimulus& candidate, size_t begin, size_t end) {
               auto& words = candidate.scratchpad;
               words.erase(std::next(words.begin(), static_cast<long>(begin)),
                           std::next(words.begin(), static_cast<long>(end)));
               return true;
             });
  }

  /// Each field to its value at reset, else to a smaller one.
  void reduce_configuration() {
    const std::vector<WordInfo>& words = words_of(best_.kind());
    const auto set = [&](size_t i, uint32_t value) {
      Stimulus candidate = best_;
      candidate.words.set_word(i, value);
      return attempt(candidate);
    };
    for (size_t i = words.size(); i-- != 0;) {
      if (best_.words.at(4 * i) == words[i].reset || set(i, words[i].reset)) continue;
      for (const WordInfo::NamedField& named : words[i].fields) {
        const core::Field field = named.place;
        const auto value = [&] { return field.get(best_.words.at(4 * i)); };
        const auto with = [&](uint64_t v) {
          return static_cast<uint32_t>(field.set(best_.words.at(4 * i), v));
        };
        const uint64_t reset = field.get(words[i].reset);
        if (value() == reset || set(i, with(reset)) || value() == 0 || set(i, with(0))) continue;
        // The least that does: found by halving what lies between.
        for (uint64_t low = 0; value() - low > 1 && !is_over_;) {
          const uint64_t middle = low + (value() - low) / 2;
          if (!set(i, with(middle))) low = middle;
        }
      }
    }
  }

  void clear_data() {
    for (size_t port = 0; port < best_.packets.size(); ++port) {
      const auto count = [&] { return best_.packets[port].size(); };
      by_parts(count, [&](Stimulus& candidate, size_t begin, size_t end) {
        bool changes = false;
        for (size_t i = begin; i < end; ++i) {
          Stimulus::Data& data = candidate.packets[port][i].data;
          changes |= data != Stimulus::Data{};
          data = {};
        }
        return changes;
      });
      by_parts(count, [&](Stimulus& candidate, size_t begin, size_t end) {
        bool changes = false;
        for (size_t i = begin; i < end; ++i) {
          uint64_t& head = candidate.packets[port][i].head;
          const uint64_t bare = fabric::PacketHead::make(0, 0, fabric::PacketHead::flow(head));
          changes |= head != bare;
          head = bare;
        }
        return changes;
      });
      // Of packets that need some data: word by word.
      constexpr size_t kWordBytes = 4;
      by_parts([&] { return count() * (fabric::kPacketBytes / kWordBytes); },
               [&](Stimulus& candidate, size_t begin, size_t end) {
                 bool changes = false;
                 for (size_t i = begin; i < end; ++i) {
                   const size_t at = i * kWordBytes;
                   auto* word =
                       &candidate.packets[port][at / fabric::kPacketBytes].data[at % fabric::kPacketBytes];
                   changes |= std::any_of(word, word + kWordBytes, [](uint8_t byte) { return byte != 0; });
                   std::fill(word, word + kWordBytes, uint8_t{0});
                 }
                 return changes;
               });
    }
  }

  static uint64_t& time_of(Stimulus::Packet& packet) { return packet.cycle; }
  static uint64_t& time_of(Stimulus::Word& word) { return word.cycle; }
  static uint64_t& time_of(uint64_t& cycle) { return cycle; }

  /// Everything that comes after a gap comes so much earlier.
  void make_early() {
    each_list([&](const auto& list) {
      by_parts([&] { return list(best_).size(); },
               [&](Stimulus& candidate, size_t begin, size_t end) {
                 auto& items = list(candidate);
                 bool changes = false;
                 uint64_t last = begin == 0 ? 0 : time_of(items[begin - 1]) + 1;
                 uint64_t before = 0;
                 for (size_t i = begin; i < items.size(); ++i) {
                   uint64_t& time = time_of(items[i]);
                   const uint64_t gap = i < end || time < before ? 0 : time - before;
                   before = time + 1;
                   changes |= time != last + gap;
                   time = last + gap;
                   last = time + 1;
                 }
                 return changes;
               });
    });
  }

  Stimulus best_;
  const std::function<bool(const Stimulus&)>& fails_;
  const ShrinkOptions& options_;
  uint64_t tries_ = 0;
  bool helped_ = false;
  bool is_over_ = false;
};

}  // namespace

Shrunk shrink(const Stimulus& stimulus, const std::function<bool(const Stimulus&)>& fails,
              const ShrinkOptions& options) {
  return Shrinker(stimulus, fails, options).run();
}

}  // namespace rdu::cosim
