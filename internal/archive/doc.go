// SPDX-License-Identifier: Apache-2.0

// Package archive reads the archives that people upload, tar and zip, and writes tars of its own. It is where foreign
// bytes are bounded: how large an archive is, how much it unpacks to, how many entries it has, how deep and how long
// their names are. It never writes a file and follows no link: a name of an entry is text, and one that would lead out
// of a folder it was unpacked into is refused, together with everything that is neither file nor folder.
//
// What the files say is package provision's.
package archive
