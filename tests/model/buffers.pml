/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory, and a store buffer for each of two agents (ring.pml). put() stores, drained() is a fence's condition, drain()
 * runs beside each agent. The buffer is in order, as on x86 (TSO); with WEAK stores overtake each other, but for those
 * to the same place, and a release overtakes none.
 */
byte memory[8];

#define DEPTH 3
typedef store { byte at; byte value; bit release };
typedef buffer { store s[DEPTH]; byte n };
buffer pending[2];

inline put(agent, where, what, is_release)
{
	atomic {
		pending[agent].n < DEPTH ->
		pending[agent].s[pending[agent].n].at = where;
		pending[agent].s[pending[agent].n].value = what;
		pending[agent].s[pending[agent].n].release = is_release;
		pending[agent].n++
	}
}

#define drained(agent) (pending[agent].n == 0)

#define older(agent, i, j) (j < i && pending[agent].s[j].at == pending[agent].s[i].at)
#ifdef WEAK
#define may_go(agent, i)                                                                                           \
	(i < pending[agent].n && !(i > 0 && pending[agent].s[i].release) && !older(agent, i, 0) && !older(agent, i, 1))
#else
#define may_go(agent, i) (i == 0 && pending[agent].n > 0)
#endif

inline go(agent, i)
{
	memory[pending[agent].s[i].at] = pending[agent].s[i].value;
	k = i;
	do
	:: k < pending[agent].n - 1 ->
		pending[agent].s[k].at = pending[agent].s[k + 1].at;
		pending[agent].s[k].value = pending[agent].s[k + 1].value;
		pending[agent].s[k].release = pending[agent].s[k + 1].release;
		k++
	:: else -> break
	od;
	pending[agent].n--;
	pending[agent].s[pending[agent].n].at = 0;
	pending[agent].s[pending[agent].n].value = 0;
	pending[agent].s[pending[agent].n].release = 0;
	k = 0
}

proctype drain(byte agent)
{
	byte k;
end:
	do
	:: atomic { may_go(agent, 0) -> go(agent, 0) }
	:: atomic { may_go(agent, 1) -> go(agent, 1) }
	:: atomic { may_go(agent, 2) -> go(agent, 2) }
	od
}
