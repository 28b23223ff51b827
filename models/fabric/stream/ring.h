#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace rdu::fabric {

/// A queue that keeps its memory: after a while of warming up, pushing and popping allocate nothing.
template <class T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return items_[(head_ + i) & (items_.size() - 1)]; }
  const T& operator[](size_t i) const { return items_[(head_ + i) & (items_.size() - 1)]; }
  T& front() { return items_[head_]; }
  const T& front() const { return items_[head_]; }
  T& back() { return (*this)[size_ - 1]; }

  void push_back(T item) {
    if (size_ == items_.size()) grow();
    items_[(head_ + size_) & (items_.size() - 1)] = std::move(item);
    ++size_;
  }
  void pop_front() {
    items_[head_] = T{};
    head_ = (head_ + 1) & (items_.size() - 1);
    --size_;
  }
  void clear() {
    while (size_ != 0) pop_front();
    head_ = 0;
  }

 private:
  void grow() {
    std::vector<T> larger(items_.empty() ? 8 : 2 * items_.size());
    for (size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
    items_.swap(larger);
    head_ = 0;
  }

  std::vector<T> items_;  ///< a power of two
  size_t head_ = 0;
  size_t size_ = 0;
};

}  // namespace rdu::fabric
