// The shares of an event loop's connections, by address: the connection to close when there are too
// many, the connection whose input is parsed next, and the address with the most memory.
#ifndef TCSYNC_SRC_LISTENER_FAIR_SHARES_H_
#define TCSYNC_SRC_LISTENER_FAIR_SHARES_H_

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "access/network.h"
#include "listener/accepted.h"
#include "listener/address_group.h"
#include "listener/connection_count.h"
#include "listener/loop_clock.h"

namespace tcsync::listener {

class Connection;

// Used on the loop's thread, except idle_count(). Each connection is in it from Join() to Leave().
class FairShares {
 public:
  // `loop_index` is the loop's place among those of its service, which share `connection_count`.
  FairShares(boost::asio::io_context& io_context, LoopClock& clock,
             ConnectionCount& connection_count, size_t loop_index);

  // Sets the shares of all loops of the service, including these. Before the loops run.
  void SetSiblings(std::vector<FairShares*> siblings) { siblings_ = std::move(siblings); }

  // The number of connections that wait between requests; a hint. Any thread.
  int64_t idle_count() const { return idle_count_.load(std::memory_order_relaxed); }

  // `network`: the address whose share the connection takes from; nullopt: none.
  void Join(Connection& connection, const std::optional<access::Network>& network);
  void Leave(Connection& connection);
  // The requests of a trusted proxy take from their sources' shares.
  void ChangeNetwork(Connection& connection, const std::optional<access::Network>& network);

  // Called after the connection has become idle, and before it stops being idle.
  void EnterIdle(Connection& connection);
  void LeaveIdle(Connection& connection);
  // The connection was active: others now precede it when one must be closed.
  void Touch(Connection& connection);

  // Closes a connection for a new one: one of the top address, or else the longest idle one whose
  // address has no fewer than the newcomer's. False when there is none.
  bool MakeRoom(const Accepted& accepted);

  // Turns. An address that has used up its time waits until the others have had theirs.
  bool MayTakeTurn(const Connection& connection) const;
  // Calls the connection's TakeTurn() when its turn comes.
  void AwaitTurn(Connection& connection);
  // Charges time to the group, which a connection may have left by closing.
  void Spend(AddressGroup& group, std::chrono::nanoseconds time);

  // Adds to the memory of the connections. Beyond the limit of all loops, connections are closed,
  // on other loops soon.
  void Charge(AddressGroup& group, int64_t more_bytes);

  void RemoveUnusedGroups();

 private:
  std::list<Connection*>& IdleListOf(const Connection& connection);
  // Skips connections whose next request has already arrived.
  bool CloseLongestIdle(const std::list<Connection*>& idle, int64_t connections_min);
  bool CloseStalest(const AddressGroup& group);
  void RunTurns();
  void PostTurns();
  // Closes connections of the addresses with the most memory, until there is enough, or until this
  // loop has no more than its share.
  void Shed();
  AddressGroup* GroupToShed();

  boost::asio::io_context& io_context_;
  LoopClock& clock_;
  ConnectionCount& connection_count_;
  const size_t loop_index_;
  std::vector<FairShares*> siblings_;

  absl::flat_hash_map<access::Network, std::unique_ptr<AddressGroup>> groups_;
  // The longest idle first. Those whose requests wait are closed only when there are no others,
  // because their clients would lose something.
  std::list<Connection*> idle_;
  std::list<Connection*> waiting_;
  std::atomic<int64_t> idle_count_{0};
  size_t connections_ = 0;
  std::list<AddressGroup*> ring_;  // of groups with connections that wait for a turn
  uint64_t round_ = 1;
  bool turns_are_posted_ = false;
  bool is_shedding_ = false;
  int64_t bytes_ = 0;  // charged to all connections of this loop
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_FAIR_SHARES_H_
