// SPDX-License-Identifier: Apache-2.0

// Package diagnosis tells why a workspace is as it is: the steps that led there, each with its time, and, where something
// is wrong, what would put it right. It reads objects that it is given and asks nobody; what could not be read is left out
// of the story, and said where it would have mattered. The sentences about a pod are package podstate's, as the manager
// wrote them into conditions.
package diagnosis
