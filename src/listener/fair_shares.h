// The shares of an event loop's connections, by address: which one goes when there are too many,
// whose input is parsed next, and who takes the most memory.
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

namespace tcsync::listener {

class Connection;

// Used on the loop's thread, but for idle_count(). Each connection is in it from Join() to Leave().
class FairShares {
 public:
  // `loop_index` is the loop's place among those of its service, which share `connection_count`.
  FairShares(boost::asio::io_context& io_context, ConnectionCount& connection_count,
             size_t loop_index);

  // The shares of all loops of the service, these among them. Before the loops run.
  void SetSiblings(std::vector<FairShares*> siblings) { siblings_ = std::move(siblings); }

  // How many connections wait between requests; a hint. Any thread.
  int64_t idle_count() const { return idle_count_.load(std::memory_order_relaxed); }

  // `network`: the address that the connection's share is taken from; nullopt: from none.
  void Join(Connection& connection, const std::optional<access::Network>& network);
  void Leave(Connection& connection);
  // The requests of a trusted proxy take from their sources' shares.
  void ChangeNetwork(Connection& connection, const std::optional<access::Network>& network);

  // After the connection has become idle, and before it stops being so.
  void EnterIdle(Connection& connection);
  void LeaveIdle(Connection& connection);
  // The connection did something: others are now before it where one has to go.
  void Touch(Connection& connection);

  // Closes a connection for a new one: of the crowd, or the one that has been idle for longest and
  // whose address has no fewer than the newcomer's. False when there is none.
  bool MakeRoom(const Accepted& accepted);

  // Turns. An address whose connections have used up its time waits until others had theirs.
  bool MayTakeTurn(const Connection& connection) const;
  // Calls the connection's TakeTurn() when its turn has come.
  void AwaitTurn(Connection& connection);
  // Accounts time to the group, which a connection may have left by closing.
  void Spend(AddressGroup& group, std::chrono::nanoseconds time);

  // Adds to what the connections take of memory. Beyond what all loops may have, connections are
  // closed, on other loops soon.
  void Charge(AddressGroup& group, int64_t more_bytes);

  void RemoveUnusedGroups();

 private:
  // Not one whose next request is here already.
  bool CloseLongestIdle(const std::list<Connection*>& idle, int64_t crowd_min);
  bool CloseStalest(const AddressGroup& group);
  void RunTurns();
  void PostTurns();
  // Closes connections of the addresses that take most memory, until there is enough, or until this
  // loop takes no more than its share.
  void Shed();
  AddressGroup* GroupToShed();

  boost::asio::io_context& io_context_;
  ConnectionCount& connection_count_;
  const size_t loop_index_;
  std::vector<FairShares*> siblings_;

  absl::flat_hash_map<access::Network, std::unique_ptr<AddressGroup>> groups_;
  std::list<Connection*> idle_;  // the longest idle first
  std::atomic<int64_t> idle_count_{0};
  size_t connections_ = 0;
  std::list<AddressGroup*> ring_;  // of groups in which somebody waits for a turn
  uint64_t round_ = 1;
  bool turns_are_posted_ = false;
  bool is_shedding_ = false;
  int64_t bytes_ = 0;  // that all connections of this loop are charged with
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_FAIR_SHARES_H_
